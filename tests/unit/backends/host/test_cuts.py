"""The route for service addresses must not swallow the answers to whom manages the node."""

from __future__ import annotations

from dataclasses import replace

import pytest

from svcform.backends.host import HOST
from svcform.model.facts import Facts, InterfaceAddress
from svcform.model.flow import Flow
from svcform.model.net import Protocol
from svcform.model.node import Connection, Node
from svcform.model.settings import Settings
from tests.unit.engine.node import intent, port

NODE = Node(
    name="n1",
    connection=Connection(host="192.0.2.11"),
    settings=Settings(service_cidrs=("10.96.0.0/16",)),
    plays=(0,),
)
FACTS = Facts(
    addresses=(InterfaceAddress(interface="eth0", address="192.0.2.11", prefix_length=24),),
    sysctls={"net.ipv4.ip_forward": "1"},
    routes=("IPv4 192.0.2.0/24 dev eth0",),
)


def rule(source: str, facts: Facts = FACTS) -> str:
    kept = Flow(name="x", protocol=Protocol.TCP, source=source, address="192.0.2.11", port=22)
    found = HOST.find_cut(HOST.express(intent(NODE, port()), facts).wanted, kept, facts)
    return found.rule if found else ""


@pytest.mark.parametrize("source", ["10.96.7.7/32", "10.96.4.0/24"])
def test_a_client_inside_the_service_cidrs_would_get_no_answer(source: str) -> None:
    assert rule(source) == "ip route add 10.96.0.0/16 dev lo src 192.0.2.11 proto 83"


@pytest.mark.parametrize("source", ["192.0.2.7/32", "10.0.0.0/8", "0.0.0.0/0"])
def test_others_do(source: str) -> None:
    assert rule(source) == ""


def test_a_more_specific_route_goes_before_ours() -> None:
    facts = replace(FACTS, routes=(*FACTS.routes, "IPv4 10.96.7.0/24 via 192.0.2.1 dev eth0"))
    assert rule("10.96.7.7/32", facts) == ""
    assert rule("10.96.8.8/32", facts) != ""


def test_where_there_is_a_default_route_there_is_none_of_ours() -> None:
    facts = replace(FACTS, routes=("IPv4 default via 192.0.2.1 dev eth0",))
    assert rule("10.96.7.7/32", facts) == ""
