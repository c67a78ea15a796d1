"""A UDP client with one socket keeps sending while the Services behind it change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from svcform.backends.contract import Backend
from svcform.engine.connections import forget_connections
from svcform.model.endpoint import Endpoint, PortKey
from svcform.model.net import Family, Protocol
from svcform.model.service import NamespacedName, Service, ServicePort, ServiceType
from svcform.model.settings import ProxyMode, Settings
from svcform.policy import table
from svcform.program.program import Step
from tests.flow import worlds
from tests.flow.arena import Flow, Seen
from tests.flow.model import World
from tests.flow.nodes import Nodes, open_nodes
from tests.flow.under_test import NodeUnderTest, intent_of, proxies

pytestmark = pytest.mark.root
KEY = NamespacedName("test", "dns")
CLUSTER_IPS = {Family.IPV4: "10.96.0.53", Family.IPV6: "fd00:96::53"}
ENDPOINTS = {
    Family.IPV4: ("10.244.1.5", "10.244.2.6"),
    Family.IPV6: ("fd00:244:1::5", "fd00:244:2::6"),
}
NODE_PORT = 30053
#: Modes in which conntrack is what keeps a client with its endpoint.
STICKY = {ProxyMode.IPTABLES, ProxyMode.NFTABLES}

by_backend = pytest.mark.parametrize("backend", proxies(), ids=lambda backend: backend.name)
by_sticky_backend = pytest.mark.parametrize(
    "backend",
    [backend for backend in proxies() if backend.mode in STICKY],
    ids=lambda backend: backend.name,
)
by_family = pytest.mark.parametrize("family", Family, ids=lambda family: family.value)


@pytest.fixture(scope="module")
def nodes(request: pytest.FixtureRequest) -> Iterator[Nodes]:
    with open_nodes(request, worlds.NODE_ADDRESSES) as opened:
        yield opened


@pytest.fixture
def node(nodes: Nodes, backend: Backend) -> NodeUnderTest:
    return nodes.of(backend)


def world(backend: Backend, family: Family, endpoints: Sequence[str]) -> World:
    """One UDP Service with these endpoints."""
    assert backend.mode is not None
    port = ServicePort(name="dns", port=53, protocol=Protocol.UDP, node_port=NODE_PORT)
    service = Service(
        key=KEY,
        type=ServiceType.NODE_PORT,
        cluster_ips=(CLUSTER_IPS[family],),
        ports=(port,),
    )
    settings = Settings(
        proxy_mode=backend.mode,
        service_cidrs=worlds.SERVICE_CIDRS,
        node_ip=worlds.PRIMARY,
        node_name=worlds.HERE,
    )
    found = tuple(Endpoint(address, 5353) for address in endpoints)
    slices = {KEY: {PortKey("dns", Protocol.UDP, family): found}}
    return World({KEY: service}, slices, settings, worlds.NODE_ADDRESSES)


def last_step(node: NodeUnderTest, before: World, after: World) -> Step:
    """The step with which a program from one world to the other ends."""
    assert node.facts is not None
    rows = [table.rows(intent_of(each)) for each in (before, after)]
    (step,) = forget_connections(table.compare(*rows), intent_of(after), node.facts).steps
    return step


def send(node: NodeUnderTest, family: Family) -> list[Seen]:
    """One more datagram from the same sockets: to the clusterIP, and to the node port."""
    client = worlds.OUTSIDE[family][0]
    node_address = worlds.PRIMARY[tuple(Family).index(family)]
    return node.arena.send(
        [
            Flow(client, CLUSTER_IPS[family], 53, Protocol.UDP, source_port=777),
            Flow(client, node_address, NODE_PORT, Protocol.UDP, source_port=778),
        ]
    )


def begin(node: NodeUnderTest, backend: Backend, family: Family, lonely: str) -> None:
    """Both sockets come to be with one endpoint."""
    node.arena.run("conntrack", "-F")
    node.apply(intent_of(world(backend, family, [lonely])))
    assert {seen.address for seen in send(node, family)} == {lonely}


@by_backend
@by_family
def test_the_next_datagram_reaches_an_endpoint_that_is_left(
    node: NodeUnderTest, backend: Backend, family: Family
):
    gone, left = ENDPOINTS[family]
    before, after = world(backend, family, [gone]), world(backend, family, [left])
    begin(node, backend, family, gone)
    node.apply(intent_of(after))
    if backend.mode in STICKY:
        assert {seen.address for seen in send(node, family)} == {gone}, "nothing to show here"

    step = last_step(node, before, after)
    node.arena.run(*step.command, given=step.stdin)

    assert {seen.address for seen in send(node, family)} == {left}


@by_backend
@by_family
def test_the_next_datagram_is_rejected_where_no_endpoint_is_left(
    node: NodeUnderTest, backend: Backend, family: Family
):
    gone = ENDPOINTS[family][0]
    before, after = world(backend, family, [gone]), world(backend, family, [])
    begin(node, backend, family, gone)
    node.apply(intent_of(after))

    step = last_step(node, before, after)
    node.arena.run(*step.command, given=step.stdin)

    assert {seen.verdict for seen in send(node, family)} == {"REJECT"}


@by_sticky_backend
@by_family
def test_a_client_whose_endpoint_serves_stays_with_it(
    node: NodeUnderTest, backend: Backend, family: Family
):
    own, other = ENDPOINTS[family]
    before, after = world(backend, family, [own]), world(backend, family, [own, other])
    begin(node, backend, family, own)
    node.apply(intent_of(after))

    step = last_step(node, before, after)
    node.arena.run(*step.command, given=step.stdin)

    reached = {seen.address for _ in range(8) for seen in send(node, family)}
    assert reached == {own}
