"""Laws of applying, for every backend, over chains of random workspaces on one node."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

from svcform.backends.contract import Backend
from tests.flow import worlds
from tests.flow.arena import open_arena
from tests.flow.foreign import add_foreign_rules, by_chain, rules, without_ours
from tests.flow.under_test import NodeUnderTest, intent_of, proxies

pytestmark = pytest.mark.root
#: With 7 workspaces a seed: a few hundred a run, for each backend.
SEEDS = range(30)
CHANGES = 5


@pytest.fixture(scope="module", params=["nft", "legacy"])
def node(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[NodeUnderTest]:
    folder = tmp_path_factory.mktemp("properties")
    with open_arena(folder, worlds.NODE_ADDRESSES, iptables=request.param) as arena:
        add_foreign_rules(arena)
        yield NodeUnderTest(arena)


@pytest.mark.parametrize("backend", proxies(), ids=lambda backend: backend.name)
@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: f"seed-{seed}")
def test_a_chain_of_applies_ends_where_a_fresh_apply_does_and_leaves_no_trace(
    node: NodeUnderTest, backend: Backend, seed: int
):
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
