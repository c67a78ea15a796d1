"""Laws of applying, for every backend, over chains of random workspaces on one node."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from random import Random

import pytest

from svcform.backends.contract import Backend
from tests.flow import worlds
from tests.flow.foreign import (
    add_foreign_rules,
    by_chain,
    has_foreign_rules,
    host,
    rules,
    without_ours,
)
from tests.flow.nodes import Nodes, open_nodes
from tests.flow.under_test import NodeUnderTest, intent_of, with_seeds

pytestmark = pytest.mark.root
#: Each seed is a chain of workspaces: a few hundred workspaces a run, for each backend.
CHANGES = 8
RUNS = [("nft", seed) for seed in range(16)] + [("legacy", seed) for seed in range(100, 105)]


@pytest.fixture(scope="module")
def nodes(request: pytest.FixtureRequest) -> Iterator[dict[str, Nodes]]:
    with ExitStack() as stack:
        yield {
            variant: stack.enter_context(open_nodes(request, worlds.NODE_ADDRESSES, variant))
            for variant in ("nft", "legacy")
        }


@pytest.fixture
def node(nodes: dict[str, Nodes], backend: Backend, run: tuple[str, int]) -> NodeUnderTest:
    """A node with a variant of iptables and other people's rules."""
    node = nodes[run[0]].of(backend)
    if not has_foreign_rules(node.arena):
        add_foreign_rules(node.arena)
    return node


@pytest.mark.parametrize(
    ("backend", "run"),
    with_seeds(RUNS),
    ids=lambda given: getattr(given, "name", None) or "-".join(map(str, given)),
)
def test_a_chain_of_applies_ends_where_a_fresh_apply_does_and_leaves_no_trace(
    node: NodeUnderTest, backend: Backend, run: tuple[str, int]
):
    random = Random(run[1])
    before, host_before = rules(node.arena), host(node.arena)
    world = worlds.random_world(random, backend.mode, services=8)
    seen = None
    for _ in range(CHANGES):
        node.apply(intent_of(world), seen)
        # Nothing changes the node before the next apply, which begins with the same reading.
        seen = node.look()

        assert node.changes_left(intent_of(world), seen) == {}
        assert without_ours(rules(node.arena)) == before

        world = worlds.changed(random, world)
    node.apply(intent_of(world), seen)
    after_changes = by_chain(rules(node.arena))
    node.apply(intent_of(world, absent=True))

    assert rules(node.arena) == before

    node.apply(intent_of(world))

    assert by_chain(rules(node.arena)) == after_changes

    node.apply(intent_of(world, absent=True))

    assert rules(node.arena) == before
    assert host_before.items() <= host(node.arena).items()
    assert node.changes_left(intent_of(world, absent=True)) == {}
