"""Which connections no plan may cut."""

from __future__ import annotations

from dataclasses import replace

from svcform.model.facts import Facts, InterfaceAddress, Listening, SshConnection
from svcform.model.net import Protocol
from svcform.model.settings import ManagementFlow, Settings
from svcform.policy.kept_flows import kept_flows

FACTS = Facts(
    addresses=(
        InterfaceAddress(interface="lo", address="127.0.0.1", prefix_length=8, scope="host"),
        InterfaceAddress(interface="eth0", address="192.0.2.11", prefix_length=24),
        InterfaceAddress(interface="eth0", address="2001:db8::11", prefix_length=64),
        InterfaceAddress(interface="eth0", address="fe80::11", prefix_length=64, scope="link"),
        InterfaceAddress(interface="svcform0", address="10.96.0.10", prefix_length=32),
    )
)


def kept(facts: Facts = FACTS, *wanted: ManagementFlow) -> list[str]:
    return [str(flow) for flow in kept_flows(Settings(management_flows=wanted), facts)]


def test_the_connection_of_svcform_itself_comes_first() -> None:
    facts = replace(
        FACTS,
        ssh=SshConnection("198.51.100.7", "192.0.2.11", 22),
        sshd=(Listening("192.0.2.11", 22),),
    )
    assert kept(facts) == [
        "tcp://198.51.100.7 -> 192.0.2.11:22",
        "tcp://0.0.0.0/0 -> 192.0.2.11:22",
    ]


def test_sshd_is_kept_where_it_listens() -> None:
    everywhere = ["tcp://0.0.0.0/0 -> 192.0.2.11:22", "tcp://::/0 -> [2001:db8::11]:22"]
    for address, wanted in (("", everywhere), ("0.0.0.0", everywhere[:1]), ("::", everywhere[1:])):
        assert kept(replace(FACTS, sshd=(Listening(address, 22),))) == wanted
    assert kept(replace(FACTS, sshd=(Listening("127.0.0.1", 22),))) == []


def test_a_flow_without_an_address_goes_to_all_of_the_nodes_own() -> None:
    four = ManagementFlow(Protocol.UDP, "192.0.2.0/24", "", 51820)
    six = ManagementFlow(Protocol.TCP, "2001:db8::/32", "2001:db8::99", 22)
    assert kept(FACTS, four, six) == [
        "udp://192.0.2.0/24 -> 192.0.2.11:51820",
        "tcp://2001:db8::/32 -> [2001:db8::99]:22",
    ]
