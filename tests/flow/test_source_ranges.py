"""Source ranges that lie in one another, meet, are said twice, or let in everybody."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from svcform.backends.contract import Backend
from svcform.inputs.addresses import source_ranges
from svcform.model.endpoint import Endpoint, PortKey
from svcform.model.net import Family, Protocol, family_of
from svcform.model.service import (
    Ingress,
    NamespacedName,
    Service,
    ServicePort,
    ServiceType,
)
from svcform.model.settings import Settings
from tests.flow import worlds
from tests.flow.arena import Flow, Kind
from tests.flow.model import World
from tests.flow.nodes import Nodes, kind_for, open_nodes
from tests.flow.test_random_flows import wrong_flows
from tests.flow.under_test import NodeUnderTest, intent_of, proxies

pytestmark = pytest.mark.root

KEY = NamespacedName("test", "limited")
CLUSTER_IPS = {Family.IPV4: "10.96.0.80", Family.IPV6: "fd00:96::80"}
BALANCERS = ("198.51.100.80", "2001:db8:100::80")
PORT = 80
PROTOCOLS = (Protocol.TCP, Protocol.UDP)
#: One after the other on the same node: each is a change from the one before.
RANGES: Sequence[tuple[str, ...]] = (
    ("10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/32", "2001:db8:7::1/128", "2001:db8:7::/48"),
    ("10.1.0.0/17", "10.1.128.0/17", "10.2.0.0/16", "2001:db8:6::/48", "2001:db8:7::/48"),
    ("10.1.0.0/16", "10.1.0.0/16", "10.2.0.0/16", "2001:db8::/32", "2001:db8:7::/48"),
    ("10.1.0.0/16", "0.0.0.0/0", "2001:db8:7::1/128"),
    ("0.0.0.0/1", "128.0.0.0/1", "::/0", "2001:db8:7::/48"),
    ("10.1.2.3/32",),
    ("192.168.0.0/16", "198.51.100.80/32", "fd00::/64", "2001:db8:100::80/128"),
    ("192.168.0.2/32", "192.168.0.0/16", "fd00::2/128"),
)


@pytest.fixture(scope="module")
def nodes(request: pytest.FixtureRequest) -> Iterator[Nodes]:
    with open_nodes(request, worlds.NODE_ADDRESSES) as opened:
        yield opened


@pytest.fixture
def node(nodes: Nodes, backend: Backend) -> NodeUnderTest:
    return nodes.of(backend)


def world(backend: Backend, ranges: tuple[str, ...]) -> World:
    """A Service with a balancer's address in both families."""
    assert backend.mode is not None
    service = Service(
        key=KEY,
        type=ServiceType.LOAD_BALANCER,
        cluster_ips=tuple(CLUSTER_IPS.values()),
        ip_families=tuple(CLUSTER_IPS),
        ports=tuple(ServicePort(name=p.value, port=PORT, protocol=p) for p in PROTOCOLS),
        ingress=tuple(Ingress(address=address) for address in BALANCERS),
        source_ranges=ranges,
    )
    found = {
        PortKey(p.value, p, family): (Endpoint(pattern.format(5), 8080),)
        for family, pattern in worlds.PODS_THERE.items()
        for p in PROTOCOLS
    }
    settings = Settings(proxy_mode=backend.mode, node_ip=worlds.PRIMARY, node_name=worlds.HERE)
    return World({KEY: service}, {KEY: found}, settings, worlds.NODE_ADDRESSES)


def edges(ranges: Sequence[str]) -> set[str]:
    """The first and the last address of each range, and those right outside of it."""
    found = set()
    for network in map(ip_network, ranges):
        first, last = network[0], network[-1]
        near = {int(first) - 1, int(first), int(last), int(last) + 1}
        most = 1 << network.max_prefixlen
        found |= {str(type(first)(number)) for number in near if 0 <= number < most}
    return {address for address in found if _may_send(address)}


def _may_send(address: str) -> bool:
    """Whether routing takes a packet from there at all."""
    this = ip_address(address)
    if this.version == 4 and (int(this) >> 24 == 0 or this in ip_network("240.0.0.0/4")):
        return False
    return not (this.is_multicast or this.is_unspecified or this.is_loopback or this.is_link_local)


@pytest.mark.parametrize("backend", proxies(), ids=lambda backend: backend.name)
def test_every_address_is_let_in_or_kept_out_as_one_range_or_another_says(
    node: NodeUnderTest, backend: Backend
):
    is_fast = kind_for(backend) is Kind.NAMESPACE
    tried = RANGES if is_fast else (*RANGES[::3], RANGES[-1])
    sources = {each for ranges in tried for each in edges(ranges)} | {*worlds.PRIMARY}
    flows = [
        Flow(source, address, PORT, protocol)
        for source in sorted(sources)
        for address in BALANCERS
        for protocol in PROTOCOLS
        if family_of(source) is family_of(address)
    ]
    for ranges in tried:
        read = source_ranges(map(ip_network, ranges))
        node.apply(intent_of(world(backend, read)))

        assert wrong_flows(node, world(backend, ranges), flows) == [], ranges
    assert node.changes_left(intent_of(world(backend, read))) == {}


def own_address_world(backend: Backend) -> World:
    """Addresses of the node's own are Services' addresses, at ports that are node ports, too."""
    assert backend.mode is not None
    families = tuple(Family)

    def made(name: str, number: int, **given: Any) -> Service:
        vips = tuple(vip.replace("80", str(number)) for vip in CLUSTER_IPS.values())
        return Service(
            key=NamespacedName("test", name), cluster_ips=vips, ip_families=families, **given
        )

    services = [
        made(
            "limited",
            81,
            type=ServiceType.LOAD_BALANCER,
            ports=(ServicePort(name="web", port=30080, node_port=30080),),
            ingress=tuple(Ingress(address=address) for address in worlds.PRIMARY),
            source_ranges=("203.0.113.0/24", "2001:db8:113::/48"),
        ),
        made(
            "idle",
            82,
            ports=(ServicePort(name="web", port=30081),),
            external_ips=worlds.PRIMARY,
        ),
        made(
            "other",
            83,
            type=ServiceType.NODE_PORT,
            ports=(ServicePort(name="web", port=80, node_port=30081),),
        ),
    ]
    endpoints = {
        PortKey("web", Protocol.TCP, family): (Endpoint(pattern.format(5), 8080),)
        for family, pattern in worlds.PODS_THERE.items()
    }
    return World(
        {service.key: service for service in services},
        {s.key: {} if s.key.name == "idle" else endpoints for s in services},
        Settings(proxy_mode=backend.mode, node_ip=worlds.PRIMARY, node_name=worlds.HERE),
        worlds.NODE_ADDRESSES,
    )


@pytest.mark.parametrize("backend", proxies(), ids=lambda backend: backend.name)
def test_an_address_of_the_nodes_own_is_asked_before_node_ports(
    node: NodeUnderTest, backend: Backend
):
    """Neither a client that isn't let in nor a refused one comes to a Service by its node port."""
    tried = own_address_world(backend)
    flows = [
        Flow(source, address, port, Protocol.TCP)
        for family in Family
        for source in worlds.OUTSIDE[family]
        for address in worlds.PRIMARY
        for port in (30080, 30081)
        if family_of(address) is family
    ]
    node.apply(intent_of(tried))

    assert wrong_flows(node, tried, flows) == []
    assert node.changes_left(intent_of(tried)) == {}
