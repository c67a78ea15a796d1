"""What svcform foretells of its own rules is what the kernel does: random rules, real packets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from random import Random

import pytest

from svcform.backends.contract import Backend, Cut
from svcform.backends.proxy.iptables import IPTABLES
from svcform.backends.proxy.iptables.cuts import host_of
from svcform.lang import spans
from svcform.lang.iptables.follow import Packet
from svcform.model.facts import Facts
from svcform.model.flow import Flow as KeptFlow
from svcform.model.net import family_of
from svcform.plan.snapshot import Snapshot
from tests.flow import worlds
from tests.flow.arena import Flow, Seen
from tests.flow.nodes import Nodes, open_nodes
from tests.flow.under_test import NodeUnderTest, intent_of, observe, proxies

pytestmark = pytest.mark.root
WORLDS = 5
#: Of those in which every backend is asked for its cuts.
ASKED = 2


@pytest.fixture(scope="module")
def nodes(request: pytest.FixtureRequest) -> Iterator[Nodes]:
    with open_nodes(request, worlds.NODE_ADDRESSES) as opened:
        yield opened


def foretold(wanted: Snapshot, facts: Facts, flow: Flow) -> set[tuple[str, str, int]]:
    """All that may become of a flow's first packet, in the words of the arena."""
    family = family_of(flow.destination)
    source, to = spans.of_cidr(flow.source), spans.of_cidr(flow.destination)
    port = ((flow.port, flow.port),)
    packet = Packet(flow.protocol.value.lower(), source, to, port, to, port)
    found = set()
    for fate in host_of(wanted, facts, family).follow(packet):
        if fate.verdict == "ACCEPT":
            (address,) = spans.cidrs(fate.packet.destination, family.bits)
            found.add(("delivered", address, fate.packet.ports[0][0]))
        else:
            found.add((fate.verdict, "", 0))
    return found


def seen_as(seen: Seen) -> tuple[str, str, int]:
    return (seen.verdict, seen.address, seen.port)


def is_martian(node: NodeUnderTest, flow: Flow) -> bool:
    """Routing drops it before any rule of the filter table sees it."""
    return ip_address(flow.destination).is_loopback and flow.source not in node.arena.local


@pytest.mark.parametrize("seed", range(200, 204), ids=lambda seed: f"seed-{seed}")
def test_the_kernel_does_one_of_the_things_that_were_foretold(nodes: Nodes, seed: int):
    node, random = nodes.of(IPTABLES), Random(seed)
    verdicts = set()
    for _ in range(WORLDS):
        world = worlds.random_world(random, IPTABLES.mode)
        node.apply(intent_of(world))
        facts = observe(node.arena).facts
        wanted = IPTABLES.express(intent_of(world), facts).wanted
        flows = [f for f in worlds.flows(random, world) if not is_martian(node, f)]
        seen = node.arena.send(flows)

        wrong = [
            (flow, what, told)
            for flow, what in zip(flows, seen, strict=True)
            if seen_as(what) not in (told := foretold(wanted, facts, flow))
        ]

        assert wrong == []
        verdicts |= {what.verdict for what in seen}
    assert {"delivered", "DROP", "REJECT"} <= verdicts


#: All backends, each with what it wants of a node: a mode's rules may be another backend's.
Expressed = Sequence[tuple[Backend, Snapshot]]


def cut_of(expressed: Expressed, facts: Facts, flow: Flow) -> Cut | None:
    """What the backends say of a connection that would have to stay as it is."""
    bits = family_of(flow.source).bits
    asked = KeptFlow(
        name="a flow",
        protocol=flow.protocol,
        source=f"{flow.source}/{bits}",
        address=flow.destination,
        port=flow.port,
    )
    cuts = (backend.find_cut(wanted, asked, facts) for backend, wanted in expressed)
    return next((cut for cut in cuts if cut is not None), None)


def is_as_it_was(flow: Flow, seen: Seen) -> bool:
    """Whether the packet arrived where it was sent to."""
    return seen_as(seen) == ("delivered", flow.destination, flow.port)


@pytest.mark.parametrize("backend", proxies(), ids=lambda backend: backend.name)
@pytest.mark.parametrize("seed", range(210, 213), ids=lambda seed: f"seed-{seed}")
def test_every_backend_knows_the_connections_that_it_cuts(
    nodes: Nodes, backend: Backend, seed: int
):
    """A cut is foretold of just those flows that do not arrive where they were sent."""
    node, random = nodes.of(backend), Random(seed)
    found = set()
    for _ in range(ASKED):
        world = worlds.random_world(random, backend.mode)
        node.apply(intent_of(world))
        facts = observe(node.arena).facts
        intent = intent_of(world)
        expressed = [(each, each.express(intent, facts).wanted) for each in proxies()]
        flows = [f for f in worlds.flows(random, world) if not is_martian(node, f)]
        seen = node.arena.send(flows)
        cuts = [cut_of(expressed, facts, flow) for flow in flows]

        wrong = [
            (flow, what, cut)
            for flow, what, cut in zip(flows, seen, cuts, strict=True)
            if is_as_it_was(flow, what) != (cut is None)
        ]

        assert wrong == []
        found |= {cut.effect for cut in cuts if cut}
    assert found, "no flow was cut"
