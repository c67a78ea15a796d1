"""Connections to endpoints that leave go on, and new ones go elsewhere."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
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
KEY = NamespacedName("test", "web")
CLUSTER_IPS = {Family.IPV4: "10.96.0.80", Family.IPV6: "fd00:96::80"}
PORT, NODE_PORT = 80, 30080
STAYS, LEAVES, JOINS = 5, 6, 7
#: So many that both endpoints have some (1 in 10^6 that not).
CLIENTS = 20
#: A program's own connections are tried with real ones, in ``tests/userspace``.
FORWARDING = [each for each in proxies() if each.mode and not each.mode.terminates]


@pytest.fixture(scope="module")
def nodes(request: pytest.FixtureRequest) -> Iterator[Nodes]:
    with open_nodes(request, worlds.NODE_ADDRESSES) as opened:
        yield opened


@pytest.fixture
def node(nodes: Nodes, backend: Backend) -> NodeUnderTest:
    chosen = nodes.of(backend)
    chosen.arena.forget()
    return chosen


def world(backend: Backend, *ready: int, terminating: int | None = None) -> World:
    """One TCP Service in both families with these endpoints."""
    assert backend.mode is not None
    service = Service(
        key=KEY,
        type=ServiceType.NODE_PORT,
        cluster_ips=tuple(CLUSTER_IPS.values()),
        ip_families=tuple(CLUSTER_IPS),
        ports=(ServicePort(name="http", port=PORT, node_port=NODE_PORT),),
    )
    found = {
        PortKey("http", Protocol.TCP, family): (
            *(Endpoint(pattern.format(number), 8080) for number in ready),
            *(
                Endpoint(pattern.format(number), 8080, ready=False, terminating=True)
                for number in (terminating,)
                if number
            ),
        )
        for family, pattern in worlds.PODS_THERE.items()
    }
    settings = Settings(proxy_mode=backend.mode, node_ip=worlds.PRIMARY, node_name=worlds.HERE)
    return World({KEY: service}, {KEY: found}, settings, worlds.NODE_ADDRESSES)


def clients(first: int, *, same_ports: bool = False) -> list[Flow]:
    """Everybody who connects, to the clusterIP and to a node port, in both families.

    Each connection comes from a port of its own, from ``first`` on, or from the same for all
    addresses.
    """
    places = [
        (family, *to)
        for n, family in enumerate(Family)
        for to in ((CLUSTER_IPS[family], PORT), (worlds.PRIMARY[n], NODE_PORT))
    ]
    return [
        Flow(
            worlds.OUTSIDE[family][0],
            address,
            port,
            source_port=first + number + (0 if same_ports else CLIENTS * place),
        )
        for (place, (family, address, port)), number in product(enumerate(places), range(CLIENTS))
    ]


by_backend = pytest.mark.parametrize("backend", FORWARDING, ids=lambda backend: backend.name)


@pytest.mark.parametrize("leaving", ["terminating", "gone"])
@by_backend
def test_connections_stay_with_an_endpoint_that_leaves_and_new_ones_avoid_it(
    node: NodeUnderTest, backend: Backend, leaving: str
):
    flows = clients(20_000 if leaving == "gone" else 21_000)
    node.apply(intent_of(world(backend, STAYS, LEAVES)))
    begun = node.arena.send(flows)
    leaves = {pattern.format(LEAVES) for pattern in worlds.PODS_THERE.values()}
    assert leaves < {seen.address for seen in begun}

    last = LEAVES if leaving == "terminating" else None
    then = intent_of(world(backend, STAYS, JOINS, terminating=last))
    node.apply(then)

    now = node.arena.send([dataclasses.replace(each, goes_on=True) for each in flows])
    assert now == begun
    assert {(seen.verdict, seen.answered) for seen in now} == {("delivered", True)}
    new = node.arena.send([dataclasses.replace(each, source_port=None) for each in flows])
    assert not leaves & {seen.address for seen in new}
    assert node.changes_left(then) == {}


@by_backend
def test_one_port_of_a_client_serves_for_two_addresses_but_not_with_ipvs(
    node: NodeUnderTest, backend: Backend
):
    """IPVS knows answers by client and endpoint alone; conntrack takes another port for one."""
    node.apply(intent_of(world(backend, STAYS)))

    seen = node.arena.send(clients(22_000, same_ports=True))

    assert {each.verdict for each in seen} == {"delivered"}
    assert all(each.answered for each in seen) is (backend.mode is not ProxyMode.IPVS)
