"""The proxy mode of a node is changed, from each to each other: every step of it carries traffic.

New connections go on between all steps, those that were there are asked for after each, and at the
end the node is as if it had never had another mode.  ``tests/fleet/test_modes.py`` does the same
with real sockets, over SSH, while steps run.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from random import Random

import pytest

from svcform.backends.contract import Backend
from svcform.model.net import Protocol
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
PAIRS = list(itertools.permutations(proxies(), 2))
by_pair = pytest.mark.parametrize(
    ("old", "new"), PAIRS, ids=[f"{old.name}-{new.name}" for old, new in PAIRS]
)


@pytest.fixture(scope="module")
def nodes(request: pytest.FixtureRequest) -> Iterator[Nodes]:
    with open_nodes(request, worlds.NODE_ADDRESSES) as opened:
        yield opened


#: How long conntrack knows connections of which it has seen a packet each way, or just one.
_STATES = (
    "udp_timeout",
    "udp_timeout_stream",
    "tcp_timeout_syn_sent",
    "tcp_timeout_syn_recv",
)


@pytest.fixture
def node(nodes: Nodes, old: Backend, new: Backend) -> NodeUnderTest:
    chosen = nodes.of_both(old, new)
    if "KUBE-SERVICES" not in rules(chosen.arena):
        add_foreign_rules(chosen.arena)  # with which all built-in chains of iptables are there
    for state in _STATES:  # a slow guest is not asked again within half a minute
        chosen.arena.run("sysctl", "-q", "-w", f"net.netfilter.nf_conntrack_{state}=600")
    chosen.arena.forget()
    return chosen


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
    """Connections from ports that stay: where each gets to."""
    chosen = [
        dataclasses.replace(flow, source_port=700 + number)
        for number, flow in enumerate(flows)
        if expect(world, flow).verdict == "delivered"
    ][:300]
    return dict(zip(chosen, arena.send(chosen), strict=True))


def later(arena: Arena, known: Mapping[Flow, Seen]) -> dict[Flow, Seen]:
    """Where connections get to by now: with a datagram, an INIT again, or a segment of TCP."""
    again = [dataclasses.replace(f, goes_on=f.protocol is Protocol.TCP) for f in known]
    return dict(zip(known, arena.send(again), strict=True))


def listed(arena: Arena) -> list[str]:
    """All that is on the node, but for what the kernel makes up for a link that comes anew."""
    return sorted(re.sub(r"fe80::\S+ dev svcform0", "", rules(arena)).splitlines())


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
    is_slow = Kind.GUEST in {kind_for(old), kind_for(new)}
    before = in_mode(worlds.random_world(random, narrower, services=3 if is_slow else 6), old)
    after = in_mode(before, new)
    every = [f for f in worlds.flows(random, before) if f.destination != "127.0.0.1"]
    flows = random.sample(every, min(len(every), 40 if is_slow else FLOWS))
    node.apply(intent_of(after))
    fresh = listed(node.arena)
    node.apply(intent_of(after, absent=True))
    node.apply(intent_of(before))
    assert wrong(node, [before], flows) == []
    known = kept(node.arena, before, every)

    for step in steps_of(node.plan(intent_of(after))):
        node.arena.terminates = old.mode.terminates or new.mode.terminates
        node.run([step])
        assert wrong(node, [before, after], flows) == [], step.program.steps[0].summary
        later(node.arena, known)  # conntrack forgets those that are silent

    assert wrong(node, [after], flows) == []
    assert node.changes_left(intent_of(after)) == {}
    assert listed(node.arena) == fresh
    if not old.mode.terminates:
        now = later(node.arena, known)
        fate = {p: established(old.name, new.name, p.value) for p in Protocol}
        moved = {f for f in known if now[f] != known[f]}
        # The others are new by now, and may come to the same endpoint, by chance.
        assert [f for f in moved if fate[f.protocol] == "live on"] == []
    node.apply(intent_of(after, absent=True))
