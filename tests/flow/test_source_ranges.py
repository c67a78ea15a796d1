"""Source ranges that lie in one another, meet, are said twice, or let in everybody."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import ip_address, ip_network

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
