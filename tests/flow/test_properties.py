"""Laws of applying, for every backend, over chains of random workspaces on one node."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from random import Random

import pytest

from svcform.backends.contract import Backend
from tests.flow import worlds
from tests.flow.arena import open_arena
from tests.flow.foreign import add_foreign_rules, by_chain, rules, without_ours
from tests.flow.under_test import NodeUnderTest, intent_of, proxies

pytestmark = pytest.mark.root
#: Each seed is a chain of workspaces: a few hundred workspaces a run, for each backend.
CHANGES = 8
RUNS = [("nft", seed) for seed in range(16)] + [("legacy", seed) for seed in range(100, 105)]


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, NodeUnderTest]]:
    """A node for each variant of iptables, with other people's rules in it."""
    with ExitStack() as stack:
        opened = {}
        for variant in ("nft", "legacy"):
            folder = tmp_path_factory.mktemp(variant)
            arena = open_arena(folder, worlds.NODE_ADDRESSES, iptables=variant)
            opened[variant] = NodeUnderTest(stack.enter_context(arena))
            add_foreign_rules(opened[variant].arena)
        yield opened


@pytest.mark.parametrize("backend", proxies(), ids=lambda backend: backend.name)
@pytest.mark.parametrize(("variant", "seed"), RUNS)
def test_a_chain_of_applies_ends_where_a_fresh_apply_does_and_leaves_no_trace(
    nodes: dict[str, NodeUnderTest], backend: Backend, variant: str, seed: int
):
    node = nodes[variant]
    random = Random(seed)
    before = rules(node.arena)
    world = worlds.random_world(random, backend.mode, services=8)
    for _ in range(CHANGES):
        node.apply(intent_of(world))

        assert node.changes_left(intent_of(world)) == {}
        assert without_ours(rules(node.arena)) == before

        world = worlds.changed(random, world)
    node.apply(intent_of(world))
    after_changes = by_chain(rules(node.arena))
    node.apply(intent_of(world, absent=True))

    assert rules(node.arena) == before

    node.apply(intent_of(world))

    assert by_chain(rules(node.arena)) == after_changes

    node.apply(intent_of(world, absent=True))

    assert rules(node.arena) == before
    assert node.changes_left(intent_of(world, absent=True)) == {}
