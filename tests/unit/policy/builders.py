"""Small workspaces for the tests of policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from svcform.model.endpoint import Endpoint, PortKey, ServiceEndpoints
from svcform.model.net import Family, endpoint_text, family_of
from svcform.model.node import Connection, Node, Play
from svcform.model.service import (
    Ingress,
    NamespacedName,
    Service,
    ServicePort,
    ServiceType,
    TrafficPolicy,
)
from svcform.model.settings import Settings
from svcform.model.workspace import Workspace
from svcform.policy.decide import decide
from svcform.policy.intent import (
    Frontend,
    FrontendKind,
    Intent,
    Masquerade,
    Pool,
    PortIntent,
    Source,
    Verdict,
)

HERE = "node-1"
THERE = "node-2"
LOCAL = TrafficPolicy.LOCAL
PODS = ("10.244.1.0/24", "fd00:244:1::/64")

LOAD_BALANCER = {
    "type": ServiceType.LOAD_BALANCER,
    "cluster_ips": ("10.96.0.10",),
    "external_ips": ("198.51.100.7",),
    "ingress": (Ingress(address="203.0.113.9"),),
    "ports": (ServicePort(name="http", port=80, node_port=30080),),
}
CLUSTER_IP = {"cluster_ips": ("10.96.0.10",), "ports": (ServicePort(name="http", port=80),)}
EXTERNAL = (FrontendKind.NODE_PORT, FrontendKind.EXTERNAL_IP, FrontendKind.LOAD_BALANCER)


def service(name: str = "web", **fields: object) -> Service:
    return Service(key=NamespacedName("default", name), **fields)  # type: ignore[arg-type]


def endpoint(address: str, node: str | None = None, **fields: object) -> Endpoint:
    return Endpoint(address, 8080, node, **fields)  # type: ignore[arg-type]


def terminating(address: str, node: str | None = None) -> Endpoint:
    return endpoint(address, node, ready=False, serving=True, terminating=True)


def endpoints_of(subject: Service, endpoints: Sequence[Endpoint]) -> ServiceEndpoints:
    """The endpoints behind every port of a Service, each in its own family."""
    ordered = sorted(endpoints, key=lambda e: endpoint_text(e.address, e.port))
    return {
        PortKey(port.name, port.protocol, family): tuple(
            e for e in ordered if family_of(e.address) is family
        )
        for port in subject.ports
        for family in Family
    }


def node(name: str = HERE, *, absent: bool = False, **settings: object) -> Node:
    return Node(
        name=name,
        connection=Connection(host="192.0.2.11"),
        settings=Settings(**settings),  # type: ignore[arg-type]
        plays=(0,),
        absent=absent,
    )


def workspace(content: Mapping[Service, Sequence[Endpoint]], *nodes: Node) -> Workspace:
    services = {subject.key: subject for subject in sorted(content, key=lambda s: s.key)}
    return Workspace(
        project_id="test",
        root="/",
        plays=(Play(name="all", nodes=tuple(n.name for n in nodes)),),
        nodes=nodes,
        services=services,
        endpoints={s.key: endpoints_of(s, found) for s, found in content.items()},
        play_services=(tuple(services),),
    )


def intent(subject: Service, endpoints: Sequence[Endpoint], **settings: object) -> Intent:
    """What the node HERE does with one Service."""
    return decide(workspace({subject: endpoints}, node(**settings)))[HERE]


def ports(decided: Intent) -> list[PortIntent]:
    return [*decided.common.ports, *decided.own.ports]


def frontends(
    subject: Service, endpoints: Sequence[Endpoint], **settings: object
) -> dict[FrontendKind, Frontend]:
    """The frontends of a Service with one port, by kind, on the node HERE."""
    (port,) = ports(intent(subject, endpoints, **settings))
    return {frontend.kind: frontend for frontend in port.frontends}


Outcome = tuple[set[str] | Verdict, Masquerade]


def outcome(frontend: Frontend, source: Source) -> Outcome:
    """Where packets from a source go through a frontend: the first route that takes them.

    The node is not one of its own pods here.
    """
    route = next(r for r in frontend.routes if r.source in {source, Source.ANY})
    if isinstance(route.to, Pool):
        return {d.address for d in route.to.destinations}, route.masquerade
    return route.to, route.masquerade
