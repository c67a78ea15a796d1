"""What a packet should meet: a second, independent opinion.

Written from the description of kube-proxy v1.36's behaviour (endpoint selection, traffic
semantics, and what its nftables mode does where its modes disagree), never from ``policy/``.
It asks one question about one packet and loops over everything, as slowly as that is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from svcform.model.endpoint import Endpoint, PortKey, ServiceEndpoints
from svcform.model.net import family_of
from svcform.model.service import (
    NamespacedName,
    Service,
    ServicePort,
    ServiceType,
    TrafficPolicy,
)
from svcform.model.settings import ProxyMode, Settings
from tests.flow.arena import Flow, Seen

PROXY_NAME_LABEL = "service.kubernetes.io/service-proxy-name"


@dataclass(frozen=True, slots=True)
class World:
    """What the model knows: all Services, and the node that packets come to."""

    services: Mapping[NamespacedName, Service]
    endpoints: Mapping[NamespacedName, ServiceEndpoints]
    settings: Settings
    node_addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Expected:
    """``verdict`` is delivered, REJECT or DROP.

    Where delivered: all endpoints that must be possible, those at which the source is masqueraded,
    those where that is nobody's business, and whether a client always gets the same one.
    """

    verdict: str
    endpoints: frozenset[tuple[str, int]] = frozenset()
    masqueraded: frozenset[tuple[str, int]] = frozenset()
    either: frozenset[tuple[str, int]] = frozenset()
    sticky: bool = False


REJECT = Expected("REJECT")
DROP = Expected("DROP")


def inside(address: str, cidrs: tuple[str, ...]) -> bool:
    return any(
        ip_address(address) in ip_network(cidr, strict=False)
        for cidr in cidrs
        if family_of(cidr) is family_of(address)
    )


def expect(world: World, flow: Flow) -> Expected:
    """What should become of a new connection."""
    for service in _proxied(world):
        for port in service.ports:
            if port.protocol is not flow.protocol:
                continue
            kind = _frontend(world, service, port, flow)
            if kind is not None:
                return _meet(world, service, port, kind, flow)
    if any(flow.destination in service.cluster_ips for service in _proxied(world)):
        return REJECT
    if inside(flow.destination, world.settings.service_cidrs):
        return DROP
    if ip_address(flow.destination).is_loopback and not ip_address(flow.source).is_loopback:
        return DROP  # a martian; where route_localnet lets it in, a rule must not
    return Expected("delivered", frozenset({(flow.destination, flow.port)}))


def _proxied(world: World) -> Iterator[Service]:
    for service in world.services.values():
        if service.headless or service.type is ServiceType.EXTERNAL_NAME:
            continue
        if service.label(PROXY_NAME_LABEL) is None:
            yield service


def _frontend(world: World, service: Service, port: ServicePort, flow: Flow) -> str | None:
    family = family_of(flow.destination)
    if not any(family_of(address) is family for address in service.cluster_ips):
        return None
    if port.port == flow.port:
        if flow.destination in service.cluster_ips:
            return "cluster"
        if flow.destination in {i.address for i in service.ingress if i.vip}:
            return "balancer"
        if flow.destination in service.external_ips:
            return "external"
    if port.node_port == flow.port and flow.destination in node_port_addresses(world):
        return "node port"
    return None


def node_port_addresses(world: World) -> set[str]:
    """The addresses on which node ports are, of both families."""
    chosen = world.settings.node_port_addresses
    primary = set(world.settings.node_ip)
    result = set()
    for address in world.node_addresses:
        cidrs = tuple(c for c in chosen if "/" in c and family_of(c) is family_of(address))
        if chosen == ("primary",):
            covered = address in primary
        else:
            covered = not cidrs or inside(address, cidrs)
        if covered:
            result.add(address)
    cidrs = tuple(c for c in chosen if "/" in c and ":" not in c)
    on_localhost = world.settings.localhost_node_ports
    on_localhost = on_localhost and world.settings.proxy_mode is ProxyMode.IPTABLES
    if on_localhost and (not cidrs or inside("127.0.0.1", cidrs)):
        result.add("127.0.0.1")
    return result


def _meet(world: World, service: Service, port: ServicePort, kind: str, flow: Flow) -> Expected:
    family = family_of(flow.destination)
    if kind == "balancer" and not _let_in(world, service, flow):
        return DROP
    found = world.endpoints[service.key].get(PortKey(port.name, port.protocol, family), ())
    external = _is_external(world, service, port, flow)
    eligible = _Eligible(world, service, found, external=external)
    if not eligible.any:
        return REJECT
    node = flow.source in world.node_addresses or ip_address(flow.source).is_loopback
    pod = inside(flow.source, world.settings.pod_cidrs)
    if kind == "cluster":
        local = service.internal_traffic_policy is TrafficPolicy.LOCAL
        chosen = eligible.local if local else eligible.cluster
        detector = any(family_of(c) is family for c in world.settings.pod_cidrs)
        masquerade = world.settings.masquerade_all or (detector and not pod)
    elif not _is_external_local(service):
        chosen, masquerade = eligible.cluster, True
    elif pod or node:
        chosen, masquerade = eligible.cluster, not pod
    else:
        chosen, masquerade = eligible.local, False
    if not chosen:
        return DROP
    return _deliver(world, service, chosen, flow, masquerade=masquerade)


def _deliver(
    world: World, service: Service, chosen: list[Endpoint], flow: Flow, *, masquerade: bool
) -> Expected:
    places = frozenset((e.address, e.port) for e in chosen)
    hairpin = frozenset((e.address, e.port) for e in chosen if e.address == flow.source)
    ours = frozenset((e.address, e.port) for e in chosen if e.node == world.settings.node_name)
    # What is delivered on the node itself never passes POSTROUTING, or has the node's own source.
    own = frozenset(p for p in places if p[0] in world.node_addresses)
    if world.settings.proxy_mode.terminates:
        masquerade = True
    return Expected(
        "delivered",
        places,
        (places if masquerade else hairpin) - own,
        # An endpoint elsewhere whose packets come back through here: iptables masquerades, nftables
        # doesn't.
        own | (frozenset() if masquerade else hairpin - ours),
        sticky=service.affinity_seconds is not None,
    )


def _let_in(world: World, service: Service, flow: Flow) -> bool:
    family = family_of(flow.destination)
    ranges = tuple(r for r in service.source_ranges if family_of(r) is family)
    if not ranges or any(r.endswith("/0") for r in ranges) or inside(flow.source, ranges):
        return True
    primary = [a for a in world.settings.node_ip if family_of(a) is family]
    own = {i.address for i in service.ingress if i.vip}
    return any(inside(a, ranges) for a in primary) and flow.source in own


def _is_external(world: World, service: Service, port: ServicePort, flow: Flow) -> bool:
    family = family_of(flow.destination)
    reachable = [i.address for i in service.ingress if i.vip] + list(service.external_ips)
    return port.node_port != 0 or any(family_of(a) is family for a in reachable)


def _is_external_local(service: Service) -> bool:
    counts = service.type in {ServiceType.NODE_PORT, ServiceType.LOAD_BALANCER} or bool(
        service.external_ips
    )
    return counts and service.external_traffic_policy is TrafficPolicy.LOCAL


class _Eligible:
    """The endpoints of a Service's port for both kinds of traffic."""

    def __init__(
        self, world: World, service: Service, found: tuple[Endpoint, ...], *, external: bool
    ) -> None:
        settings = world.settings
        internal_local = service.internal_traffic_policy is TrafficPolicy.LOCAL
        uses_cluster = not internal_local or external
        uses_local = internal_local or (_is_external_local(service) and external)
        ready = [e for e in found if e.ready]
        draining = [e for e in found if not e.ready and e.serving and e.terminating]
        self.cluster = _topology(ready, settings) or draining if uses_cluster else []
        here = settings.node_name
        self.local = (
            [e for e in ready if e.node == here] or [e for e in draining if e.node == here]
            if uses_local
            else []
        )
        self.any = bool(self.cluster) or (uses_local and bool(ready or draining))


def _topology(ready: list[Endpoint], settings: Settings) -> list[Endpoint]:
    if ready and all(e.node_hints for e in ready):
        same = [e for e in ready if settings.node_name in e.node_hints]
        if same:
            return same
    if settings.zone and ready and all(e.zone_hints for e in ready):
        same = [e for e in ready if settings.zone in e.zone_hints]
        if same:
            return same
    return ready


def judge(expected: Expected, flow: Flow, tries: list[Seen], own: frozenset[str]) -> str:
    """What is wrong with what was seen of one flow, tried several times; empty if nothing is."""
    verdicts = {seen.verdict for seen in tries}
    if verdicts != {expected.verdict}:
        return f"{flow}: expected {expected.verdict}, saw {sorted(verdicts)}"
    if expected.verdict != "delivered":
        return ""
    reached = {(seen.address, seen.port) for seen in tries}
    possible = expected.endpoints
    if expected.sticky:
        wrong = not reached <= possible or len(reached) > 1
    else:
        wrong = reached != possible if len(tries) > 1 else not reached <= possible
    if wrong:
        return f"{flow}: expected {sorted(possible)}, reached {sorted(reached)}"
    for seen in tries:
        problem = _judge_source(expected, flow, seen, own)
        if problem:
            return problem
    return ""


def _judge_source(expected: Expected, flow: Flow, seen: Seen, own: frozenset[str]) -> str:
    place = (seen.address, seen.port)
    changed = seen.source != flow.source
    if changed and seen.source not in own:
        return f"{flow}: at {place} the source is {seen.source}, which is nobody's"
    if place not in expected.either and changed != (place in expected.masqueraded):
        return f"{flow}: at {place} the source is {seen.source}"
    if not seen.answered and seen.address not in own:
        came = seen.came or "not at all"
        return f"{flow}: the answer of {place} does not come back from there, but {came}"
    return ""
