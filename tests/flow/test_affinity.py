"""Clients of sticky Services: who stays, for how long, and what becomes of those that change."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import product

import pytest

from svcform.backends.contract import Backend
from svcform.model.endpoint import Endpoint, PortKey
from svcform.model.net import Family, Protocol
from svcform.model.service import NamespacedName, Service, ServicePort, ServiceType
from svcform.model.settings import ProxyMode, Settings
from tests.flow import worlds
from tests.flow.arena import Flow
from tests.flow.model import World
from tests.flow.nodes import Nodes, open_nodes
from tests.flow.under_test import NodeUnderTest, intent_of, proxies

pytestmark = pytest.mark.root

KEY = NamespacedName("test", "sticky")
PORT, NODE_PORT = 80, 30080
CLUSTER_IPS = {Family.IPV4: "10.96.0.80", Family.IPV6: "fd00:96::80"}
CLIENTS = {Family.IPV4: "203.0.113.{}", Family.IPV6: "2001:db8:113::{:x}"}
#: So many that they would not all stay with one of two endpoints by chance (1 in 10^9), and no
#: multiple of the endpoints: turns would stand where they stood.
CROWD = 31

#: IPVS remembers a client for as long as it knows a connection of its, and nobody ends these.
LASTING = {ProxyMode.IPVS}

#: Modes whose affinity is one for all addresses and ports that lead to a port of a Service.
SHARED = {ProxyMode.IPTABLES, ProxyMode.NFTABLES, ProxyMode.USERSPACE}

by_backend = pytest.mark.parametrize("backend", proxies(), ids=lambda backend: backend.name)
Reached = Mapping[tuple[str, Protocol], str]
"""The endpoint that each client got with each protocol."""


@pytest.fixture(scope="module")
def nodes(request: pytest.FixtureRequest) -> Iterator[Nodes]:
    with open_nodes(request, worlds.NODE_ADDRESSES) as opened:
        yield opened


@pytest.fixture
def node(nodes: Nodes, backend: Backend) -> NodeUnderTest:
    return nodes.of(backend)


def carried(backend: Backend) -> tuple[Protocol, ...]:
    """The protocols that a mode carries, in an order that stays."""
    assert backend.mode is not None
    return tuple(each for each in Protocol if each in backend.mode.protocols)


def remembered(backend: Backend) -> tuple[Protocol, ...]:
    """The protocols whose clients a mode remembers; where a program has them, it is TCP's."""
    return (Protocol.TCP,) if backend.mode and backend.mode.terminates else carried(backend)


def world(
    backend: Backend,
    *,
    endpoints: Sequence[int] = (5, 6, 7),
    seconds: int = 10800,
    entries: int = 4096,
) -> World:
    """A sticky Service in both families with a port for each protocol."""
    assert backend.mode is not None
    ports = tuple(
        ServicePort(name=p.value, port=PORT, protocol=p, node_port=NODE_PORT + n)
        for n, p in enumerate(carried(backend))
    )
    service = Service(
        key=KEY,
        type=ServiceType.NODE_PORT,
        cluster_ips=tuple(CLUSTER_IPS.values()),
        ip_families=tuple(CLUSTER_IPS),
        ports=ports,
        affinity_seconds=seconds,
    )
    found = {
        PortKey(p.value, p, family): tuple(Endpoint(pattern.format(n), 8080) for n in endpoints)
        for (family, pattern), p in product(worlds.PODS_THERE.items(), carried(backend))
    }
    settings = Settings(
        proxy_mode=backend.mode,
        node_ip=worlds.PRIMARY,
        node_name=worlds.HERE,
        affinity_entries=entries,
    )
    return World({KEY: service}, {KEY: found}, settings, worlds.NODE_ADDRESSES)


def ask(
    node: NodeUnderTest,
    backend: Backend,
    numbers: Sequence[int] = range(1, CROWD + 1),
    *,
    node_ports: bool = False,
    protocols: Sequence[Protocol] = (),
) -> Reached:
    """A new connection of each client of both families, with each protocol that is remembered."""
    flows = []
    for (family, pattern), number, protocol in product(
        CLIENTS.items(), numbers, protocols or remembered(backend)
    ):
        primary = worlds.PRIMARY[tuple(Family).index(family)]
        node_port = NODE_PORT + carried(backend).index(protocol)
        to = (primary, node_port) if node_ports else (CLUSTER_IPS[family], PORT)
        flows.append(Flow(pattern.format(number), *to, protocol))
    seen = node.arena.send(flows)
    assert {each.verdict for each in seen} == {"delivered"}
    return {(f.source, f.protocol): s.address for f, s in zip(flows, seen, strict=True)}


def spread(reached: Reached) -> bool:
    """Whether the clients of each family and protocol are with more than one endpoint."""
    return all(
        len({at for (source, p), at in reached.items() if (":" in source, p) == kind}) > 1
        for kind in product((False, True), {protocol for _, protocol in reached})
    )


@by_backend
def test_a_client_stays_at_every_frontend_of_a_port_and_others_go_elsewhere(
    node: NodeUnderTest, backend: Backend
):
    node.apply(intent_of(world(backend)))

    first = ask(node, backend)

    assert spread(first)
    assert ask(node, backend) == first
    # In the other order: where each address has its own turns, they are other clients'.
    elsewhere = ask(node, backend, range(CROWD, 0, -1), node_ports=True)
    assert (elsewhere == first) is (backend.mode in SHARED)
    assert ask(node, backend, node_ports=True) == elsewhere


@by_backend
def test_only_clients_of_endpoints_that_go_are_sent_elsewhere(
    node: NodeUnderTest, backend: Backend
):
    node.apply(intent_of(world(backend, endpoints=(5, 6, 7))))
    if backend.mode and backend.mode.terminates:
        time.sleep(11)  # HAProxy hands on whom it knows from ten seconds after its start (2.6)
    # A third of them moves: of so few as a CROWD's, all go to one of four now and then.
    many = range(1, 3 * CROWD + 1)
    first = ask(node, backend, many)
    gone = {pattern.format(6) for pattern in worlds.PODS_THERE.values()}

    node.apply(intent_of(world(backend, endpoints=(5, 7, 8, 9))))
    then = ask(node, backend, many)

    assert {who: at for who, at in first.items() if at not in gone}.items() <= then.items()
    moved = {who: then[who] for who, at in first.items() if at in gone}
    assert spread(moved)
    assert not gone & set(moved.values())
    assert ask(node, backend, many) == then


@by_backend
def test_each_connection_counts_anew_and_silence_ends_it(node: NodeUnderTest, backend: Backend):
    node.apply(intent_of(world(backend, seconds=3)))
    asked = began = time.monotonic()
    first = ask(node, backend)
    while time.monotonic() < began + 5:
        time.sleep(0.7)
        before, asked = asked, time.monotonic()
        then = ask(node, backend)
        if time.monotonic() - before > 2.5:
            began, first = asked, then  # this machine was busy elsewhere for too long
        assert then == first

    if backend.mode in LASTING:
        return
    time.sleep(4.5)

    assert ask(node, backend) != first


@by_backend
def test_clients_beyond_those_that_are_remembered_are_served(node: NodeUnderTest, backend: Backend):
    node.apply(intent_of(world(backend, entries=8)))

    for _ in range(3):
        assert spread(ask(node, backend, range(1, 200)))


@pytest.mark.parametrize(
    "backend",
    [each for each in proxies() if each.mode and each.mode.terminates],
    ids=lambda backend: backend.name,
)
def test_datagrams_of_a_client_go_by_its_address_where_a_program_takes_them(
    node: NodeUnderTest, backend: Backend
):
    """There is no table with a time: no silence ends it, and new endpoints take some over."""
    udp = (Protocol.UDP,)
    node.apply(intent_of(world(backend, endpoints=(5, 6, 7), seconds=1)))
    first = ask(node, backend, protocols=udp)
    time.sleep(2.5)

    assert spread(first)
    assert ask(node, backend, protocols=udp) == first
    assert ask(node, backend, node_ports=True, protocols=udp) == first

    node.apply(intent_of(world(backend, endpoints=(5, 7, 8, 9), seconds=1)))
    then = ask(node, backend, protocols=udp)

    places = worlds.PODS_THERE.values()
    new = {pattern.format(n) for pattern in places for n in (8, 9)}
    gone = {pattern.format(6) for pattern in places}
    assert not gone & set(then.values())
    stayed = {who for who, at in first.items() if then[who] == at}
    assert {then[who] for who, at in first.items() if at not in gone and who not in stayed} <= new
    assert len(stayed) > CROWD / 4
