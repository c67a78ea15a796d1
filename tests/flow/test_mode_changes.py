"""The proxy mode of a node is changed, from each to each other: every step of it carries traffic.

New connections go on between all steps, those that were there are asked for after each, and at the
end the node is as if it had never had another mode.  ``tests/fleet/test_modes.py`` does the same
with real sockets, over SSH, while steps run.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from random import Random

import pytest

from svcform.backends.contract import Backend
from svcform.model.net import Protocol
from svcform.model.settings import ProxyMode
from svcform.plan.order import join_programs
from svcform.program.program import Program
from tests.flow import worlds
from tests.flow.arena import Arena, Flow, Seen
from tests.flow.foreign import add_foreign_rules, rules
from tests.flow.mode_table import established
from tests.flow.model import World, expect, judge
from tests.flow.nodes import Nodes, open_nodes
from tests.flow.under_test import NodeUnderTest, Pending, intent_of, proxies

pytestmark = pytest.mark.root
SEED = 41
FLOWS = 120
#: Not here yet: on the way from and to it new connections still fail for a moment, as
#: docs/modes.md says.
LATER = {ProxyMode.IPVS}
_REFUSALS = {"DROP", "REJECT"}
PAIRS = list(itertools.permutations([b for b in proxies() if b.mode not in LATER], 2))
by_pair = pytest.mark.parametrize(
    ("old", "new"), PAIRS, ids=[f"{old.name}-{new.name}" for old, new in PAIRS]
)


@pytest.fixture(scope="module")
def nodes(request: pytest.FixtureRequest) -> Iterator[Nodes]:
    with open_nodes(request, worlds.NODE_ADDRESSES) as opened:
        yield opened


@pytest.fixture
def node(nodes: Nodes, old: Backend, new: Backend) -> NodeUnderTest:
    arena = nodes.of(old).arena
    if "KUBE-SERVICES" not in rules(arena):
        add_foreign_rules(arena)  # with which all built-in chains of iptables are there
    return NodeUnderTest(arena)


def in_mode(world: World, backend: Backend) -> World:
    """The same world with another proxy mode."""
    assert backend.mode is not None
    return dataclasses.replace(
        world, settings=dataclasses.replace(world.settings, proxy_mode=backend.mode)
    )


def wrong(node: NodeUnderTest, either: Sequence[World], flows: Sequence[Flow]) -> list[str]:
    """New connections that meet what they would meet in none of some worlds."""
    sent = [flow for flow in flows for _ in range(2)]
    problems = []
    for flow, seen in zip(sent, node.arena.send(sent), strict=True):
        expected = [expect(world, flow) for world in either]
        if len(either) > 1 and {e.verdict for e in expected} | {seen.verdict} <= _REFUSALS:
            continue  # one mode's or the other's
        found = [judge(each, flow, [seen], node.arena.local) for each in expected]
        if all(found):
            problems.append(found[0])
    return problems


def kept(arena: Arena, world: World, flows: Sequence[Flow]) -> dict[Flow, Seen]:
    """Datagrams from sockets that stay: where each gets to."""
    chosen = [
        dataclasses.replace(flow, source_port=700 + number)
        for number, flow in enumerate(flows)
        if flow.protocol is Protocol.UDP and expect(world, flow).verdict == "delivered"
    ][:200]
    return dict(zip(chosen, arena.send(chosen), strict=True))


def steps_of(pending: Sequence[Pending]) -> list[Pending]:
    """One pending with one step after the other, in the order of a plan."""
    by_name = {each.backend.name: each for each in pending}
    return [
        dataclasses.replace(by_name[step.backend], program=Program(steps=(step,)))
        for step in join_programs([each.program for each in pending]).steps
    ]


@by_pair
def test_every_step_of_a_change_carries_traffic_and_nothing_of_the_old_mode_is_left(
    node: NodeUnderTest, old: Backend, new: Backend
):
    random = Random(SEED)
    narrower = old.mode if old.mode.terminates else new.mode  # which takes no SCTP
    before = in_mode(worlds.random_world(random, narrower, services=6), old)
    after = in_mode(before, new)
    flows = [f for f in worlds.flows(random, before) if f.destination != "127.0.0.1"]
    flows = random.sample(flows, min(len(flows), FLOWS))
    node.apply(intent_of(after))
    fresh = sorted(rules(node.arena).splitlines())
    node.apply(intent_of(after, absent=True))
    node.apply(intent_of(before))
    assert wrong(node, [before], flows) == []
    known = kept(node.arena, before, flows)

    for step in steps_of(node.plan(intent_of(after))):
        node.arena.terminates = old.mode.terminates or new.mode.terminates
        node.run([step])
        assert wrong(node, [before, after], flows) == [], step.program.steps[0].summary

    assert wrong(node, [after], flows) == []
    assert node.changes_left(intent_of(after)) == {}
    assert sorted(rules(node.arena).splitlines()) == fresh
    if established(old.name, new.name, "UDP") == "live on":
        now = dict(zip(known, node.arena.send(list(known)), strict=True))
        assert {f: s.address for f, s in now.items()} == {f: s.address for f, s in known.items()}
    node.apply(intent_of(after, absent=True))
