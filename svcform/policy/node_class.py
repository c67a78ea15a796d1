"""What nodes of a class share, computed once, and what is each node's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from svcform.model.endpoint import ServiceEndpoints
from svcform.model.net import Family
from svcform.model.node import Node
from svcform.model.service import NamespacedName, Service
from svcform.policy import services as rules
from svcform.policy.endpoints import Viewpoint
from svcform.policy.frontends import FamilyPort, family_ports, port_intent, sort_key
from svcform.policy.hairpin import Placed, merge, place, reachable_here, unplaced_here
from svcform.policy.intent import HealthCheck, Intent, PortGroup, PortIntent
from svcform.policy.routes import Traits

_NOBODY = Viewpoint("", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeClass:
    """Nodes with the same Services and the same traits.

    ``mentions`` says at which places of ``own_ports`` a node's name makes a difference; at the
    others, the node is one of many.  ``strangers`` caches what those many do, zone by zone.
    ``homes`` says at which places an endpoint is on a node.  ``ready`` counts, for each node that
    has any, the ready endpoints of a Service that load balancers ask about.
    """

    traits: Traits
    common: PortGroup
    own_ports: tuple[FamilyPort, ...]
    mentions: Mapping[str, tuple[int, ...]]
    homes: Mapping[str, tuple[int, ...]]
    zones: frozenset[str]
    placed: Placed
    cluster_ips: tuple[str, ...]
    health_check_node_ports: tuple[int, ...]
    ready: Mapping[HealthCheck, Mapping[str, int]]
    strangers: dict[str, PortGroup] = field(default_factory=dict, compare=False)


def prepare(
    services: Sequence[Service],
    endpoints: Mapping[NamespacedName, ServiceEndpoints],
    traits: Traits,
) -> NodeClass:
    """Compute all that the nodes of a class share."""
    forwarded = [service for service in services if rules.is_forwarded(service)]
    ports = [
        port for service in forwarded for port in family_ports(service, endpoints[service.key])
    ]
    ports.sort(key=sort_key)
    common = tuple(port for port in ports if not port.depends_on_node)
    own = tuple(port for port in ports if port.depends_on_node)
    health = {rules.health_check_node_port(service) for service in forwarded} - {0}
    return NodeClass(
        traits=traits,
        common=PortGroup(tuple(port_intent(port, _NOBODY, traits) for port in common)),
        own_ports=own,
        mentions=_index(map(_mentioned, own)),
        homes=_index({e.node for e in port.endpoints if e.node} for port in own),
        zones=frozenset(z for port in own for e in port.endpoints for z in e.zone_hints),
        placed=place(common, own, traits.pod_families),
        cluster_ips=tuple(sorted({ip for service in forwarded for ip in service.cluster_ips})),
        health_check_node_ports=tuple(sorted(health)),
        ready={
            HealthCheck(service.key, port, 0): _ready_by_node(endpoints[service.key])
            for service in forwarded
            if (port := rules.health_check_node_port(service))
        },
    )


def intent_for(node: Node, shared: NodeClass) -> Intent:
    """The intent of one node of a class."""
    name = node.settings.node_name or node.name
    viewpoint = Viewpoint(name, node.settings.zone)
    return Intent(
        node_name=node.name,
        settings=node.settings,
        common=shared.common,
        own=_own(viewpoint, shared),
        cluster_ips=shared.cluster_ips,
        hairpin=_hairpin(node, viewpoint, shared),
        health_check_node_ports=shared.health_check_node_ports,
        health_checks=tuple(
            check._replace(local_endpoints=by_node.get(name, 0))
            for check, by_node in shared.ready.items()
        ),
        connection_host=node.connection.host,
    )


def _ready_by_node(endpoints: ServiceEndpoints) -> dict[str, int]:
    """Addresses count, whatever their ports are; terminating ones don't (kube-proxy v1.36)."""
    found: dict[tuple[Family, str], set[str]] = {}
    for key, some in endpoints.items():
        for endpoint in some:
            if endpoint.ready and endpoint.node:
                found.setdefault((key.family, endpoint.node), set()).add(endpoint.address)
    counts: dict[str, int] = {}
    for (_, node), addresses in found.items():
        counts[node] = max(counts.get(node, 0), len(addresses))
    return counts


def _mentioned(port: FamilyPort) -> set[str]:
    names = {name for endpoint in port.endpoints for name in endpoint.node_hints}
    if port.uses.local:
        names.update(endpoint.node for endpoint in port.endpoints if endpoint.node)
    return names


def _index(names: Iterable[set[str]]) -> dict[str, tuple[int, ...]]:
    """At which places each name occurs."""
    found: dict[str, list[int]] = {}
    for position, some in enumerate(names):
        for name in some:
            found.setdefault(name, []).append(position)
    return {name: tuple(positions) for name, positions in found.items()}


def _own(viewpoint: Viewpoint, shared: NodeClass) -> PortGroup:
    zone = viewpoint.zone if viewpoint.zone in shared.zones else ""
    base = shared.strangers.get(zone)
    if base is None:
        stranger = Viewpoint("", zone)
        base = PortGroup(
            tuple(port_intent(port, stranger, shared.traits) for port in shared.own_ports)
        )
        shared.strangers[zone] = base
    positions = shared.mentions.get(viewpoint.node, ())
    if not positions:
        return base
    ports: list[PortIntent] = list(base.ports)
    for position in positions:
        ports[position] = port_intent(shared.own_ports[position], viewpoint, shared.traits)
    return PortGroup(tuple(ports))


def _hairpin(node: Node, viewpoint: Viewpoint, shared: NodeClass) -> tuple[str, ...]:
    found = unplaced_here(node, shared.placed)
    found |= shared.placed.by_node.get(viewpoint.node, frozenset())
    for position in shared.homes.get(viewpoint.node, ()):
        found |= reachable_here(shared.own_ports[position], viewpoint)
    return merge(shared.placed, found)
