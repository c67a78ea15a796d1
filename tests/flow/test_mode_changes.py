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
from tests.flow.arena import Arena, Flow, Kind, Seen
from tests.flow.foreign import add_foreign_rules, rules
from tests.flow.mode_table import established
from tests.flow.model import World, expect, judge
from tests.flow.nodes import Nodes, open_nodes
from tests.flow.under_test import NodeUnderTest, Pending, intent_of, kind_for, proxies

pytestmark = pytest.mark.root
SEED = 41
FLOWS = 120
_REFUSALS = {"DROP", "REJECT"}
#: A guest's kernel has no nftables for IP, and the running one may have no IPVS; and a guest ends
#: connections that are made by hand on it to its own programs.
PAIRS = [
    (old, new)
    for old, new in itertools.permutations(proxies(), 2)
    if {kind_for(old), kind_for(new)} != {Kind.NAMESPACE, Kind.GUEST}
    or ProxyMode.IPTABLES in {old.mode, new.mode}
]
by_pair = pytest.mark.parametrize(
    ("old", "new"), PAIRS, ids=[f"{old.name}-{new.name}" for old, new in PAIRS]
)


@pytest.fixture(scope="module")
def nodes(request: pytest.FixtureRequest) -> Iterator[Nodes]:
    with open_nodes(request, worlds.NODE_ADDRESSES) as opened:
        yield opened


@pytest.fixture
def node(nodes: Nodes, old: Backend, new: Backend) -> NodeUnderTest:
    chosen = nodes.of(max(old, new, key=lambda b: kind_for(b) is Kind.GUEST))
    if "KUBE-SERVICES" not in rules(chosen.arena):
        add_foreign_rules(chosen.arena)  # with which all built-in chains of iptables are there
    return NodeUnderTest(chosen.arena, chosen.subjects)


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
    every = [f for f in worlds.flows(random, before) if f.destination != "127.0.0.1"]
    flows = random.sample(every, min(len(every), FLOWS))
    node.apply(intent_of(after))
    fresh = sorted(rules(node.arena).splitlines())
    node.apply(intent_of(after, absent=True))
    node.apply(intent_of(before))
    assert wrong(node, [before], flows) == []
    known = kept(node.arena, before, every)

    for step in steps_of(node.plan(intent_of(after))):
        node.arena.terminates = old.mode.terminates or new.mode.terminates
        node.run([step])
        assert wrong(node, [before, after], flows) == [], step.program.steps[0].summary
        node.arena.send(list(known))  # conntrack forgets those that are silent

    assert wrong(node, [after], flows) == []
    assert node.changes_left(intent_of(after)) == {}
    assert sorted(rules(node.arena).splitlines()) == fresh
    if not old.mode.terminates:
        now = dict(zip(known, node.arena.send(list(known)), strict=True))
        stay = {f: s.address for f, s in now.items()} == {f: s.address for f, s in known.items()}
        assert stay is (established(old.name, new.name, "UDP") == "live on")
    node.apply(intent_of(after, absent=True))
