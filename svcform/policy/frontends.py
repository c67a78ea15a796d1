"""One port of one Service in one family: its frontends and what they lead to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from svcform.model.endpoint import Endpoint, PortKey, ServiceEndpoints
from svcform.model.net import Family, Protocol
from svcform.model.service import Service, ServicePort, TrafficPolicy
from svcform.policy import services as rules
from svcform.policy.endpoints import (
    Kept,
    Selection,
    Uses,
    Viewpoint,
    is_steered,
    keep,
    keeps_steered,
    select,
)
from svcform.policy.intent import Frontend, FrontendKind, PortIntent, Route
from svcform.policy.routes import Traits, external_routes, internal_routes, targets

_NONE = Kept((), ())


class FamilyPort(NamedTuple):
    """A port of a Service in one family, with the endpoints that match its name and protocol."""

    service: Service
    port: ServicePort
    family: Family
    endpoints: tuple[Endpoint, ...]
    uses: Uses

    @property
    def depends_on_node(self) -> bool:
        """Whether two nodes of a class can need different rules for it."""
        if self.uses.local or not self.uses.cluster:
            return self.uses.local
        is_udp = self.port.protocol is Protocol.UDP
        return is_steered(self.endpoints) or (is_udp and keeps_steered(self.endpoints))


def family_ports(service: Service, endpoints: ServiceEndpoints) -> list[FamilyPort]:
    """All ports of a Service in all its families."""
    return [
        FamilyPort(
            service,
            port,
            family,
            endpoints.get(PortKey(port.name, port.protocol, family), ()),
            rules.uses(service, port, family),
        )
        for port in service.ports
        for family in rules.families(service)
    ]


def port_intent(subject: FamilyPort, viewpoint: Viewpoint, traits: Traits) -> PortIntent:
    """What a node does with a port, seen from ``viewpoint``."""
    selection = select(subject.endpoints, subject.uses, viewpoint)
    kept = _NONE
    if subject.port.protocol is Protocol.UDP:
        kept = keep(subject.endpoints, subject.uses, viewpoint, selection)
    frontends = _frontends(subject, selection, traits)
    kinds = {frontend.kind for frontend in frontends}
    internal, external = TrafficPolicy.CLUSTER, TrafficPolicy.CLUSTER
    if FrontendKind.CLUSTER_IP in kinds:
        internal = subject.service.internal_traffic_policy
    if kinds - {FrontendKind.CLUSTER_IP}:
        external = rules.external_policy(subject.service)
    return PortIntent(
        service=subject.service.key,
        port_name=subject.port.name,
        protocol=subject.port.protocol,
        family=subject.family,
        frontends=frontends,
        endpoints=selection.reachable,
        internal_policy=internal,
        external_policy=external,
        serving=kept.serving,
        draining=kept.draining,
        health_check_node_port=rules.health_check_node_port(subject.service),
        scheduler=rules.scheduler(subject.service),
    )


def sort_key(port: PortIntent | FamilyPort) -> tuple[str, str, str, str, str]:
    """The order of ports in a group."""
    if isinstance(port, FamilyPort):
        key, name, protocol = port.service.key, port.port.name, port.port.protocol
    else:
        key, name, protocol = port.service, port.port_name, port.protocol
    return (*key, name, protocol.value, port.family.value)


def _frontends(subject: FamilyPort, selection: Selection, traits: Traits) -> tuple[Frontend, ...]:
    service, family = subject.service, subject.family
    found = targets(selection, service.affinity_seconds)
    internal = internal_routes(found, service.internal_traffic_policy, family, traits)
    frontends = {
        address: _frontend(FrontendKind.CLUSTER_IP, address, subject, internal)
        for address in rules.of_family(service.cluster_ips, family)
    }
    external_ips = rules.of_family(service.external_ips, family)
    virtual_ips = rules.virtual_ips(service, family)
    if not (subject.port.node_port or external_ips or virtual_ips):
        return sort_frontends(frontends.values())
    external = external_routes(found, rules.external_policy(service), family, traits)
    # An address that is two things is the latter of them, as in kube-proxy's nftables maps.
    for address in external_ips:
        frontends[address] = _frontend(FrontendKind.EXTERNAL_IP, address, subject, external)
    for address in virtual_ips:
        frontends[address] = _load_balancer(address, subject, external, virtual_ips)
    node_port = _node_port(subject, external) if subject.port.node_port else ()
    return sort_frontends((*frontends.values(), *node_port))


def sort_frontends(frontends: Iterable[Frontend]) -> tuple[Frontend, ...]:
    """In the order of PortIntent: kind, address, port."""
    return tuple(sorted(frontends, key=lambda f: (f.kind.value, f.address or "", f.port)))


def _frontend(
    kind: FrontendKind, address: str, subject: FamilyPort, routes: tuple[Route, ...]
) -> Frontend:
    return Frontend(kind, address, subject.port.port, subject.port.protocol, routes)


def _node_port(subject: FamilyPort, routes: tuple[Route, ...]) -> tuple[Frontend, ...]:
    port = subject.port
    return (Frontend(FrontendKind.NODE_PORT, None, port.node_port, port.protocol, routes),)


def _load_balancer(
    address: str, subject: FamilyPort, routes: tuple[Route, ...], virtual_ips: tuple[str, ...]
) -> Frontend:
    allowed = rules.source_ranges(subject.service, subject.family)
    return Frontend(
        FrontendKind.LOAD_BALANCER,
        address,
        subject.port.port,
        subject.port.protocol,
        routes,
        allowed_sources=allowed,
        own_addresses=tuple(sorted(set(virtual_ips))) if allowed else (),
    )
