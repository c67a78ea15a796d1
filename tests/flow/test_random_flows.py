"""Random Services on a node, random changes to them, and real packets from everybody to everything.

What should become of each is said by :mod:`tests.flow.model`, which knows nothing of ``policy/``.
A failure names its seed: ``pytest -k 'seed-17'``.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

from svcform.backends.contract import Backend
from tests.flow import worlds
from tests.flow.arena import Flow
from tests.flow.model import World, expect, judge
from tests.flow.nodes import Nodes, open_nodes
from tests.flow.under_test import NodeUnderTest, intent_of, with_seeds

pytestmark = pytest.mark.root
SEEDS = range(12)
CHANGES = 4
#: Enough to miss one of six endpoints once in 10^8 runs, where chance chooses; and where turns are
#: taken, two rounds.
TRIES, TURNS = 110, 12

by_seed = pytest.mark.parametrize(
    ("backend", "seed"),
    with_seeds(SEEDS),
    ids=lambda given: getattr(given, "name", f"seed-{given}"),
)


@pytest.fixture(scope="module")
def nodes(request: pytest.FixtureRequest) -> Iterator[Nodes]:
    with open_nodes(request, worlds.NODE_ADDRESSES) as opened:
        yield opened


@pytest.fixture
def node(nodes: Nodes, backend: Backend) -> NodeUnderTest:
    return nodes.of(backend)


def wrong_flows(node: NodeUnderTest, world: World, flows: list[Flow]) -> list[str]:
    """Send all flows, those with a choice of endpoints often; what went wrong."""
    expected = [expect(world, flow) for flow in flows]
    tries = TURNS if node.arena.terminates else TRIES
    counts = [tries if len(e.endpoints) > 1 else 1 for e in expected]
    if node.arena.terminates:
        # A proxy remembers a client once a connection of its is made, and not when it begins.
        node.arena.send([f for f, e in zip(flows, expected, strict=True) if e.sticky])
    sent = [flow for flow, count in zip(flows, counts, strict=True) for _ in range(count)]
    seen = iter(node.arena.send(sent))
    problems = [
        judge(each, flow, [next(seen) for _ in range(count)], node.arena.local)
        for each, flow, count in zip(expected, flows, counts, strict=True)
    ]
    return [problem for problem in problems if problem]


@by_seed
def test_every_packet_goes_where_the_model_says(node: NodeUnderTest, backend: Backend, seed: int):
    random = Random(seed)
    world = worlds.random_world(random, backend.mode)
    for _ in range(CHANGES):
        node.apply(intent_of(world))

        assert wrong_flows(node, world, worlds.flows(random, world)) == []

        world = worlds.changed(random, world)
