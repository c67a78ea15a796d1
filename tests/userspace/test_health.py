"""``healthCheckNodePort`` is answered by a HAProxy of svcform's own, in every mode."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator

import pytest

from svcform.backends.contract import Backend
from svcform.backends.proxy.userspace import HEALTH
from svcform.model.endpoint import Endpoint, PortKey
from svcform.model.net import Family, Protocol
from svcform.model.service import (
    NamespacedName,
    Service,
    ServicePort,
    ServiceType,
    TrafficPolicy,
)
from svcform.model.settings import Settings
from tests.flow import worlds
from tests.flow.model import World
from tests.flow.nodes import open_nodes
from tests.flow.under_test import NodeUnderTest, intent_of, proxies, subjects

pytestmark = pytest.mark.root
PORT = 31000
#: Status, two headers, body.
_ASK = ("curl", "-s", "-i", "-m", "10")


@pytest.fixture(scope="module")
def nodes(request: pytest.FixtureRequest):
    with open_nodes(request, worlds.NODE_ADDRESSES) as nodes:
        yield nodes


@pytest.fixture
def node(nodes, backend: Backend) -> Iterator[NodeUnderTest]:
    """A node that runs nothing yet, as a mode needs it."""
    arena = nodes.of(backend).arena
    node = NodeUnderTest(arena, subjects=[*subjects(), HEALTH])
    yield node
    node.apply(intent_of(world(backend), absent=True))
    assert arena.run("sh", "-c", "ls -d /etc/svcform/health /run/svcform-health* || :") == ""


def world(backend: Backend, here: int = 1, *names: str, **settings: object) -> World:
    """Services, each with so many of three endpoints on the node."""
    port = ServicePort(name="http", port=80)
    services, endpoints = {}, {}
    for number, name in enumerate(names or ("web",)):
        key = NamespacedName("test", name)
        services[key] = Service(
            key=key,
            type=ServiceType.LOAD_BALANCER,
            cluster_ips=(f"10.96.0.{80 + number}",),
            ip_families=(Family.IPV4,),
            ports=(port,),
            external_traffic_policy=TrafficPolicy.LOCAL,
            health_check_node_port=PORT + number,
        )
        behind = tuple(
            Endpoint(f"10.244.2.{n}", 8080, node=worlds.HERE if n < here else worlds.THERE)
            for n in range(3)
        )
        endpoints[key] = {PortKey("http", Protocol.TCP, Family.IPV4): behind}
    base = Settings(proxy_mode=backend.mode, node_ip=worlds.PRIMARY, node_name=worlds.HERE)
    return World(services, endpoints, dataclasses.replace(base, **settings), worlds.NODE_ADDRESSES)


def ask(node: NodeUnderTest, address: str = "192.168.0.2", port: int = PORT) -> list[str]:
    """The lines of the whole answer to a load balancer; empty where there is none."""
    said = node.arena.exec(*_ASK, f"http://{address}:{port}/").stdout
    return said.decode().splitlines()


@pytest.mark.parametrize("backend", proxies(), ids=lambda backend: backend.name)
def test_a_health_check_is_answered_as_kube_proxy_does(node: NodeUnderTest, backend: Backend):
    for here, status in ((2, "200 OK"), (0, "503 Service Unavailable")):
        intent = intent_of(world(backend, here))

        node.apply(intent)

        for address in ("192.168.0.2", "[fd00::2]"):
            said = ask(node, address)
            assert said[0] == f"HTTP/1.1 {status}"
            assert "content-type: application/json" in said
            assert f"x-load-balancing-endpoint-weight: {here}" in map(str.lower, said)
            assert json.loads(said[-1]) == {
                "service": {"namespace": "test", "name": "web"},
                "localEndpoints": here,
                "serviceProxyHealthy": True,
            }
        assert node.changes_left(intent) == {}
