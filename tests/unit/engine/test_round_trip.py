"""Observe, propose, apply and verify on a real node."""

from __future__ import annotations

import pytest

from svcform.engine.apply import ApplyOptions, apply
from svcform.engine.observe import Observation, observe
from svcform.engine.outcome import Outcome, Result
from svcform.engine.propose import ProposeOptions, propose
from svcform.model.node import Node
from svcform.plan.plan import Plan
from svcform.policy.intent import PortIntent
from tests.unit.engine.node import LabNode, intent, opener, port, workspace

pytestmark = pytest.mark.root

PLAIN = ProposeOptions()
OPTIONS = ApplyOptions(who="alice", source="laptop", run_timeout=60, confirm_timeout=30)


def plan(node: Node, *ports: PortIntent, options: ProposeOptions = PLAIN) -> Plan:
    observations = observe([node], opener)
    return propose(workspace(node), {node.name: intent(node, *ports)}, observations, options)


def carry_out(node: Node, made: Plan) -> Outcome:
    return apply(made, {node.name: node}, opener, OPTIONS)[node.name]


def test_what_is_planned_is_applied_and_the_second_plan_is_empty(lab_node: LabNode) -> None:
    node = lab_node.node()
    first = plan(node, port())
    assert first.nodes[0].problem is None
    addresses = [str(change.address) for change in first.nodes[0].changes]
    assert addresses[:2] == ["host route 10.96.0.0/16", "host sysctl net.ipv4.ip_forward"]
    assert "iptables nft ip nat SVCFORM-SERVICES" in addresses
    outcome = carry_out(node, first)
    assert (outcome.result, outcome.detail) == (Result.APPLIED, "")
    assert lab_node.run("cat /proc/sys/net/ipv4/ip_forward") == "1\n"
    assert "10.96.0.0/16 dev lo " in lab_node.run("ip route")
    assert "--to-destination 10.244.1.5:8080" in lab_node.run("iptables-nft-save -t nat")
    assert plan(node, port()).is_empty
    lab_node.wait_until_idle()


def test_destroy_leaves_nothing_but_forwarding(lab_node: LabNode) -> None:
    node = lab_node.node()
    lab_node.run("for t in nat filter; do iptables-nft -t $t -A OUTPUT -s 10.0.0.1 -j ACCEPT; done")
    state = "ip route; iptables-nft-save | grep -v '^#'"
    before = lab_node.run(state)
    assert carry_out(node, plan(node, port())).result is Result.APPLIED
    gone = plan(node, port(), options=ProposeOptions(destroy=True))
    assert {finding.code for finding in gone.nodes[0].diagnostics} == {"SVC458"}
    assert carry_out(node, gone).result is Result.APPLIED
    lab_node.wait_until_idle()
    assert lab_node.run(state) == before
    assert not lab_node.state.exists()
    assert plan(node, port(), options=ProposeOptions(destroy=True)).is_empty


def test_an_observation_holds_facts_and_memory(lab_node: LabNode) -> None:
    node = lab_node.node()
    carry_out(node, plan(node, port()))
    seen = observe([node], opener)[node.name]
    assert isinstance(seen, Observation)
    assert seen.facts.has_address("192.0.2.11")
    assert [row.name for row in seen.recorded.services] == ["shop/cart"]
    assert seen.recorded.receipt is not None
    assert (seen.recorded.receipt.who, seen.recorded.receipt.outcome) == ("alice", "applied")
    assert seen.recorded.lock is None


ADVERTISE = """
import socket
s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
everybody = ("ff02::1", 0, 0, socket.if_nametoindex("e1"))
s.sendto(bytes([134, 0, 0, 0, 64, 0, 7, 8]) + bytes(8), everybody)
"""


def test_a_route_that_a_router_advertised_is_known_as_one(lab_node: LabNode) -> None:
    """Forwarding would end it unless accept_ra is 2; and busybox's ip doesn't say whose it is."""
    settings = "/proc/sys/net/ipv6/conf/e0"
    lab_node.run(f"echo 1 | tee {settings}/accept_ra_from_local >{settings}/accept_ra")
    lab_node.run(
        "ip -6 addr add fe80::1/64 dev e1 nodad; ip -6 route add default dev e1 metric 9000"
    )
    lab_node.run(f"until ip -6 route | grep -q default.via; do python3 -c '{ADVERTISE}'; done")
    seen = observe([lab_node.node()], opener)[lab_node.node().name]
    assert isinstance(seen, Observation)
    routes = [line for line in seen.facts.routes if line.startswith("IPv6 default ")]
    assert ["ra" in line.split() for line in routes] == [True, False]
