"""Services of all kinds in a small workspace."""

from __future__ import annotations

from dataclasses import replace

from svcform.model.endpoint import Endpoint, PortKey
from svcform.model.net import Family, Protocol, family_of
from svcform.model.node import Connection, Node, Play
from svcform.model.service import (
    Ingress,
    NamespacedName,
    Service,
    ServicePort,
    ServiceType,
    TrafficPolicy,
)
from svcform.model.settings import ProxyMode, Settings
from svcform.model.workspace import Workspace
from svcform.policy.decide import decide
from svcform.policy.intent import Intent

SETTINGS = Settings(
    service_cidrs=("10.96.0.0/16", "fd00:96::/112"),
    pod_cidrs=("10.244.1.0/24", "fd00:244:1::/64"),
    node_ip=("192.0.2.1", "2001:db8::1"),
    node_name="here",
)
FAMILIES = (Family.IPV4, Family.IPV6)


def service(number: int, **given) -> Service:
    """A dual-stack Service on TCP port 80."""
    made = {
        "key": NamespacedName("test", f"service-{number}"),
        "cluster_ips": (f"10.96.1.{number}", f"fd00:96::{number:x}"),
        "ip_families": FAMILIES,
        "ports": (ServicePort(name="http", port=80),),
    }
    return Service(**{**made, **given})


def everything() -> list[Service]:
    """One Service of each kind that makes rules of its own."""
    balanced = {
        "type": ServiceType.LOAD_BALANCER,
        "external_ips": ("198.51.100.9", "2001:db8:9::9"),
    }
    ports = tuple(
        ServicePort(name=p.value.lower(), protocol=p, port=80, node_port=30080) for p in Protocol
    )
    return [
        service(1),
        service(2, affinity_seconds=10800),
        service(3, ports=ports, type=ServiceType.NODE_PORT),
        service(
            4,
            **balanced,
            ingress=(Ingress(address="198.51.100.1"), Ingress(address="2001:db8:9::1")),
            source_ranges=("192.0.2.0/24", "203.0.113.0/24", "2001:db8::/64"),
            ports=(ServicePort(name="http", port=80, node_port=30081),),
        ),
        service(
            5,
            type=ServiceType.LOAD_BALANCER,
            ingress=(Ingress(address="198.51.100.2"),),
            source_ranges=("203.0.113.0/24",),
            external_traffic_policy=TrafficPolicy.LOCAL,
            health_check_node_port=32000,
            ports=(ServicePort(name="http", port=80, node_port=30082),),
        ),
        service(6, internal_traffic_policy=TrafficPolicy.LOCAL),
        service(7),  # its endpoints are taken away
        service(8, ports=tuple(ServicePort(name=f"p{n}", port=n) for n in range(80, 120))),
    ]


def intent(services: list[Service], *, endpoints: int = 3, settings: Settings = SETTINGS) -> Intent:
    """What a node called ``here`` should do with some Services."""
    found = {s.key: s for s in services}
    return _decide(
        found, {key: _endpoints(s, endpoints) for key, s in found.items()}, settings, absent=False
    )


def nothing() -> Intent:
    """What a node should do that is taken out of service."""
    return _decide({}, {}, SETTINGS, absent=True)


def other_mode() -> Intent:
    """What a node should do that forwards by other means."""
    return intent(everything(), settings=replace(SETTINGS, proxy_mode=ProxyMode.NFTABLES))


def _decide(services, endpoints, settings, *, absent) -> Intent:
    node = Node(
        name="here",
        connection=Connection(host="192.0.2.1"),
        settings=settings,
        plays=(0,),
        absent=absent,
    )
    workspace = Workspace(
        project_id="test",
        root="/",
        plays=(Play(name="play", nodes=("here",)),),
        nodes=(node,),
        services=services,
        endpoints=endpoints,
        play_services=(tuple(sorted(services)),),
    )
    return decide(workspace)["here"]


def _endpoints(made: Service, count: int):
    number = int(made.key.name.rpartition("-")[2])
    if number == 7:
        count = 0
    return {
        PortKey(port.name, port.protocol, family): tuple(
            Endpoint(_address(family, number, n), 8080, "here" if n == 0 else "there")
            for n in range(count)
        )
        for port in made.ports
        for family in {family_of(a) for a in made.cluster_ips}
    }


def _address(family: Family, number: int, n: int) -> str:
    if family is Family.IPV4:
        return f"10.244.{number}.{n + 1}"
    return f"fd00:244:{number:x}::{n + 1:x}"
