"""What would become of connections that have to stay, by our own rules."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from time import process_time

import pytest

from svcform.backends.contract import Cut
from svcform.backends.proxy.iptables import IPTABLES
from svcform.backends.proxy.iptables.cuts import host_of
from svcform.lang import spans
from svcform.lang.iptables.follow import Packet
from svcform.model.facts import Facts, InterfaceAddress
from svcform.model.flow import Flow
from svcform.model.net import Family, Protocol
from svcform.model.node import Connection, Node
from svcform.model.service import NamespacedName
from svcform.model.settings import Settings
from svcform.policy.intent import (
    Destination,
    Frontend,
    FrontendKind,
    Pool,
    PortIntent,
    Route,
    Source,
    Verdict,
)
from tests.flow import worlds
from tests.flow.under_test import intent_of
from tests.unit.engine.node import intent, port

TOOLS = ("iptables", "ip6tables", "iptables-nft", "ip6tables-nft")
FACTS = Facts(
    tools=dict.fromkeys(TOOLS, "iptables v1.8.9 (nf_tables)"),
    addresses=(
        InterfaceAddress(interface="eth0", address="192.0.2.11", prefix_length=24),
        InterfaceAddress(interface="eth0", address="2001:db8::11", prefix_length=64),
    ),
)
POD = Pool((Destination("10.244.1.5", 8080),))


def flow(
    source: str = "203.0.113.0/24",
    address: str = "192.0.2.11",
    number: int = 22,
    protocol: Protocol = Protocol.TCP,
) -> Flow:
    return Flow(name="x", protocol=protocol, source=source, address=address, port=number)


def service(
    address: str | None,
    to: Pool | Verdict = POD,
    *,
    number: int = 22,
    ranges: tuple[str, ...] | None = None,
) -> PortIntent:
    kind = FrontendKind.EXTERNAL_IP if address else FrontendKind.NODE_PORT
    if ranges is not None:
        kind = FrontendKind.LOAD_BALANCER
    routes = (Route(Source.ANY, to),)
    frontend = Frontend(kind, address, number, Protocol.TCP, routes, ranges)
    endpoints = to.destinations if isinstance(to, Pool) else ()
    family = Family.IPV6 if address and ":" in address else Family.IPV4
    return replace(port(), family=family, frontends=(frontend,), endpoints=endpoints)


def cut(wish: PortIntent, kept: Flow, facts: Facts = FACTS, **settings: object) -> Cut | None:
    node = Node(
        name="n1",
        connection=Connection(host="192.0.2.11"),
        settings=Settings(node_ip=("192.0.2.11",), **settings),  # type: ignore[arg-type]
        plays=(0,),
    )
    wanted = IPTABLES.express(intent(node, wish), facts).wanted
    return IPTABLES.find_cut(wanted, kept, facts)


@pytest.mark.parametrize("address", ["192.0.2.11", None], ids=["externalIP", "nodePort"])
def test_a_service_on_a_kept_port_takes_it_away(address: str | None):
    found = cut(service(address), flow())

    assert found is not None
    assert found.effect == "go to 10.244.1.5:8080 instead"
    assert found.rule.startswith("iptables -t nat -A SVCFORM-")
    assert "-p tcp -m tcp --dport 22 -j DNAT --to-destination 10.244.1.5:8080" in found.rule
    assert found.sources == ""


@pytest.mark.parametrize(
    ("kept", "wish"),
    [
        (flow(number=23), service("192.0.2.11")),
        (flow(protocol=Protocol.UDP), service("192.0.2.11")),
        (flow(), service("192.0.2.12")),
        (flow("2001:db8::/64", "2001:db8::11"), service("192.0.2.11")),
        (flow(), service("192.0.2.11", Pool((Destination("192.0.2.11", 22),)))),
    ],
    ids=["port", "protocol", "address", "family", "to-sshd-itself"],
)
def test_others_stay(kept: Flow, wish: PortIntent):
    assert cut(wish, kept) is None


@pytest.mark.parametrize(
    ("verdict", "effect"), [(Verdict.DROP, "be dropped"), (Verdict.REJECT, "be refused")]
)
def test_a_service_without_endpoints_cuts_too(verdict: Verdict, effect: str):
    found = cut(service("192.0.2.11", verdict), flow())
    assert found is not None
    assert (found.effect, "-t filter" in found.rule) == (effect, True)


def test_an_address_that_nobody_has_is_dropped():
    found = cut(port(), flow(address="10.96.1.1"), service_cidrs=("10.96.0.0/16",))
    assert found is not None
    assert found.effect == "be dropped"


def test_only_the_sources_that_are_hit_are_named():
    limited = service("192.0.2.11", ranges=("203.0.113.0/25",))

    found = cut(limited, flow())

    assert found is not None
    assert {found.effect: found.sources} in (
        {"go to 10.244.1.5:8080 instead": "203.0.113.0/25"},
        {"be dropped": "203.0.113.128/25"},
    )


def test_one_source_in_a_million_is_found():
    limited = service("192.0.2.11", Verdict.DROP, ranges=("203.0.113.77/32",))
    found = cut(limited, flow("0.0.0.0/0"))
    assert found is not None


def test_ipv6_is_judged_by_its_own_rules():
    six = service("2001:db8::11", Pool((Destination("fd00:244::5", 8080),)))
    found = cut(six, flow("2001:db8:1::/48", "2001:db8::11"))
    assert found is not None
    assert found.effect == "go to [fd00:244::5]:8080 instead"
    assert found.rule.startswith("ip6tables -t nat")


def test_ten_thousand_services_take_milliseconds():
    ports = [
        replace(
            service(f"198.51.{n >> 8}.{n & 255}", number=80),
            service=NamespacedName("shop", f"s{n}"),
        )
        for n in range(10_000)
    ]
    node = Node(
        name="n1", connection=Connection(host="192.0.2.11"), settings=Settings(), plays=(0,)
    )
    wanted = IPTABLES.express(intent(node, *ports), FACTS).wanted
    kept = flow("0.0.0.0/0")
    IPTABLES.find_cut(wanted, kept, FACTS)

    def seconds() -> float:
        start = process_time()
        assert IPTABLES.find_cut(wanted, kept, FACTS) is None
        return process_time() - start

    assert min(seconds() for _ in range(5)) < 0.05


@pytest.mark.parametrize("seed", range(30))
def test_all_sources_at_once_meet_what_each_meets_alone(seed: int):
    random = Random(seed)
    world = worlds.random_world(random, IPTABLES.mode)
    facts = replace(
        FACTS,
        addresses=tuple(
            InterfaceAddress(interface="eth0", address=address, prefix_length=24)
            for address in worlds.NODE_ADDRESSES
        ),
    )
    host = host_of(IPTABLES.express(intent_of(world), facts).wanted, facts, Family.IPV4)
    everybody = spans.without(spans.of_cidr("0.0.0.0/0"), host.local)
    for sent in worlds.flows(random, world)[:40]:
        source = spans.of_cidr(sent.source)
        if ":" in sent.destination or spans.meet(source, host.local):
            continue
        target, number = spans.of_cidr(sent.destination), ((sent.port, sent.port),)
        alone = Packet(sent.protocol.value.lower(), source, target, number, target, number)
        together = {
            (fate.verdict, fate.packet.destination, fate.packet.ports)
            for fate in host.follow(alone._replace(source=everybody))
            if spans.meet(fate.packet.source, source)
        }
        assert together == {
            (fate.verdict, fate.packet.destination, fate.packet.ports)
            for fate in host.follow(alone)
        }
