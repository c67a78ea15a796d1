"""Packets through rules: what becomes of them."""

from __future__ import annotations

import pytest

from svcform.lang import spans
from svcform.lang.iptables.follow import Host, Packet

NODE = "192.0.2.11"


def packet(source: str = "203.0.113.0/24", port: int = 22, to: str = NODE) -> Packet:
    target, ports = spans.of_cidr(to), ((port, port),)
    return Packet("tcp", spans.of_cidr(source), target, ports, target, ports)


def fates(
    chains: dict[tuple[str, str], list[str]], sent: Packet
) -> set[tuple[str, tuple[str, ...], str]]:
    """Verdict, sources, and where it goes."""
    host = Host(
        chains=lambda table, chain: chains.get((table, chain), []), local=spans.of_cidr(NODE)
    )
    return {
        (
            fate.verdict,
            tuple(spans.cidrs(fate.packet.source, 32)),
            next(spans.cidrs(fate.packet.destination, 32)),
        )
        for fate in host.follow(sent)
    }


@pytest.mark.parametrize(
    ("chains", "wanted"),
    [
        ({}, {("ACCEPT", ("203.0.113.0/24",), NODE)}),
        (
            {("filter", "INPUT"): ["-s 203.0.113.0/25 -j DROP"]},
            {("DROP", ("203.0.113.0/25",), NODE), ("ACCEPT", ("203.0.113.128/25",), NODE)},
        ),
        (
            {("filter", "INPUT"): ["! -s 203.0.113.0/25 -j DROP"]},
            {("DROP", ("203.0.113.128/25",), NODE), ("ACCEPT", ("203.0.113.0/25",), NODE)},
        ),
        (
            {("filter", "FORWARD"): ["-j DROP"], ("filter", "OUTPUT"): ["-j DROP"]},
            {("ACCEPT", ("203.0.113.0/24",), NODE)},
        ),
        (
            {
                ("nat", "PREROUTING"): ["-j A"],
                ("nat", "A"): ["-j MARK --set-xmark 0x2000/0x2000", "-g B", "-j ACCEPT"],
                ("nat", "B"): ["-p udp -j DNAT --to-destination 10.0.0.1:1", "-j RETURN"],
                ("filter", "INPUT"): ["-m mark --mark 0x2000/0x2000 -j REJECT --reject-with x"],
            },
            {("REJECT", ("203.0.113.0/24",), NODE)},
        ),
        (
            {
                ("nat", "PREROUTING"): [
                    "-m statistic --mode random --probability 0.5 -g ONE",
                    "-p tcp -m tcp --dport 22 -j DNAT --to-destination 10.0.0.2:80",
                ],
                ("nat", "ONE"): ["-p tcp -j DNAT --to-destination 10.0.0.1:80"],
                ("filter", "FORWARD"): ["-d 10.0.0.2/32 -m conntrack --ctstate DNAT -j DROP"],
            },
            {
                ("ACCEPT", ("203.0.113.0/24",), "10.0.0.1"),
                ("DROP", ("203.0.113.0/24",), "10.0.0.2"),
            },
        ),
        (
            {("filter", "INPUT"): ["-m conntrack ! --ctstate RELATED,NEW -j DROP"]},
            {("ACCEPT", ("203.0.113.0/24",), NODE)},
        ),
    ],
)
def test_rules_do_what_the_kernel_does(chains, wanted):
    assert fates(chains, packet()) == wanted


def test_an_answer_meets_no_nat_and_leaves_by_output():
    answer = packet(source=NODE, to="203.0.113.7")._replace(states=frozenset({"ESTABLISHED"}))
    chains = {
        ("nat", "OUTPUT"): ["-j DNAT --to-destination 10.0.0.1:1"],
        ("filter", "OUTPUT"): ["-m conntrack --ctstate NEW -j DROP"],
    }
    assert fates(chains, answer) == {("ACCEPT", (NODE,), "203.0.113.7")}
    chains["filter", "OUTPUT"] = ["-d 203.0.113.0/24 -j DROP"]
    assert fates(chains, answer) == {("DROP", (NODE,), "203.0.113.7")}
