"""Which DNS zones a node serves (Kubernetes DNS specification 1.1.0; CoreDNS 1.15's extras).

A zone is static: what it can't answer as CoreDNS's kubernetes plugin does is in the README of the
backend that serves it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from svcform.model.endpoint import ServiceEndpoints
from svcform.model.node import Node
from svcform.model.service import NamespacedName, Service
from svcform.model.workspace import PodAddress, Workspace
from svcform.model.zone import RecordSet, Soa, Zone, Zones
from svcform.policy.dns_aliases import Alias, judge, target_name
from svcform.policy.dns_names import dashed, enclosing, is_name, reverse_name, reverse_zones
from svcform.policy.dns_services import (
    NameRules,
    Pointer,
    Record,
    address_records,
    endpoint_names,
    external_records,
    is_external_name,
    service_records,
    srv_records,
)

_VERSION_TTL = 28800
_LONGEST_NEGATIVE_TTL = 300
#: Name servers that a zone names: with more of them an answer is too large for UDP.
_MOST_SERVERS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneRequest:
    """What decides the zones; nodes with equal requests share them.

    ``plays`` are those whose Services have names.  ``pod_cidrs`` are those of all nodes.
    ``servers`` are the addresses of the nodes that serve the zones.
    """

    plays: tuple[int, ...]
    domain: str
    external_domain: str
    ttl: int
    pods: str
    namespaces: tuple[str, ...] | None
    rules: NameRules
    service_cidrs: tuple[str, ...]
    pod_cidrs: tuple[str, ...]
    servers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _World:
    """The objects that zones are made of; ``hidden`` Services are in namespaces without names."""

    services: Sequence[Service]
    hidden: Sequence[Service]
    endpoints: Mapping[NamespacedName, ServiceEndpoints]
    namespaces: frozenset[str]
    pods: Sequence[PodAddress]


#: Both the lints and the plan of a run ask; a workspace is compared by identity.
_decided: WeakKeyDictionary[Workspace, Mapping[str, Zones]] = WeakKeyDictionary()


def decide_zones(workspace: Workspace) -> Mapping[str, Zones]:
    """The zones of each node that serves DNS, by the node's name in the inventory.

    Nodes that serve the same zones have the very same object, and so has one workspace at all
    times.
    """
    found = _decided.get(workspace)
    if found is None:
        found = _decided[workspace] = _decide(workspace)
    return found


def _decide(workspace: Workspace) -> Mapping[str, Zones]:
    wanted = [node for node in workspace.nodes if node.settings.dns and not node.absent]
    if not wanted:
        return {}
    pod_cidrs = tuple(sorted({c for node in workspace.play_nodes for c in node.settings.pod_cidrs}))
    servers: dict[ZoneRequest, set[str]] = {}
    for node in {n.name: n for n in (*workspace.play_nodes, *wanted)}.values():
        if node.settings.dns and not node.absent:
            found = servers.setdefault(_request(node, pod_cidrs), set())
            found.update(server_addresses(node))
    made: dict[ZoneRequest, Zones] = {}
    zones: dict[str, Zones] = {}
    for node in wanted:
        request = _request(node, pod_cidrs)
        if request not in made:
            made[request] = make_zones(workspace, request, tuple(sorted(servers[request])))
        zones[node.name] = made[request]
    return zones


def make_zones(workspace: Workspace, request: ZoneRequest, servers: Sequence[str]) -> Zones:
    """The zones of a request, served at these addresses."""
    shown = None if request.namespaces is None else frozenset(request.namespaces)
    services = workspace.services_of(request.plays)
    existing = (
        workspace.namespaces | {service.key.namespace for service in services} | (shown or set())
    )
    world = _World(
        services=[s for s in services if shown is None or s.key.namespace in shown],
        hidden=[s for s in services if shown is not None and s.key.namespace not in shown],
        endpoints=workspace.endpoints,
        namespaces=frozenset(existing if shown is None else existing & shown),
        pods=[p for p in workspace.pods if shown is None or p.namespace in shown],
    )
    return _Zones(world, request, servers).make()


def _request(node: Node, pod_cidrs: tuple[str, ...]) -> ZoneRequest:
    settings = node.settings
    return ZoneRequest(
        plays=node.plays,
        domain=settings.cluster_domain.lower(),
        external_domain=settings.dns_external_zone.lower(),
        ttl=settings.dns_ttl,
        pods=settings.dns_pods,
        namespaces=settings.dns_namespaces,
        rules=NameRules(
            endpoint_names=settings.dns_endpoint_names,
            endpoint_pod_names=settings.dns_endpoint_pod_names,
            ignore_empty_service=settings.dns_ignore_empty_service,
            zonal=settings.dns_zonal,
            external_headless=settings.dns_external_headless,
        ),
        service_cidrs=settings.service_cidrs,
        pod_cidrs=pod_cidrs,
    )


def server_addresses(node: Node) -> Iterable[str]:
    """Where others can ask the node, as far as the inventory says."""
    for text in node.settings.dns_listen or node.settings.node_ip or (node.connection.host,):
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            continue
        if not address.is_loopback and not address.is_link_local:
            yield str(address)


class _Builder:
    """Collects the records of one zone; a record is in it once, a name that is too long not."""

    def __init__(self, origin: str, ttl: int) -> None:
        self.origin = origin
        self._ttl = ttl
        self._sets: dict[tuple[str, str], dict[str, None]] = {}
        self.owners: set[str] = set()

    def add(self, records: Iterable[Record]) -> None:
        """Add records."""
        for name, kind, rdata in records:
            found = self._sets.get((name, kind))
            if found is None:
                if not is_name(name):
                    continue
                found = self._sets[name, kind] = {}
                self.owners.add(name)
            found[rdata] = None

    def anchor(self, name: str) -> None:
        """Make a name exist that has no data (RFC 8020): something below it does."""
        self.add([(f"_nodata.{name}", "TXT", '""')])

    def zone(self, primary: str, mailbox: str) -> Zone:
        """The zone of what was collected."""
        version = f"dns-version.{self.origin}"
        records = [
            RecordSet(
                name,
                kind,
                _VERSION_TTL if name == version else self._ttl,
                tuple(sorted(rdatas)) if len(rdatas) > 1 else tuple(rdatas),
            )
            for (name, kind), rdatas in self._sets.items()
        ]
        records.sort()
        negative = min(self._ttl, _LONGEST_NEGATIVE_TTL)
        soa = Soa(primary=primary, mailbox=mailbox, minimum=self._ttl, ttl=negative)
        return Zone(origin=self.origin, soa=soa, records=tuple(records))


class _Zones:
    """The zones of one request in the making."""

    def __init__(self, world: _World, request: ZoneRequest, servers: Sequence[str]) -> None:
        self._world = world
        self._request = request
        self._servers = tuple(servers) or ("127.0.0.1",)
        self._origin = request.domain.rstrip(".") + "."
        self._forward = _Builder(self._origin, request.ttl)
        self._pointers: list[Pointer] = []
        self._name_servers: tuple[str, ...] = ()

    def make(self) -> Zones:
        # Aliases are judged by what there is, and may lead to a pod.
        self._add_pods()
        self._add_services()
        self._add_apex()
        self._add_anchors()
        origin = self._origin
        zones = [self._forward.zone(f"ns.dns.{origin}", f"hostmaster.{origin}")]
        if self._request.external_domain:
            zones.append(self._external())
        return Zones(zones=(*zones, *self._reverse()))

    def _name(self, service: Service) -> str:
        return f"{service.key.name}.{service.key.namespace}.svc.{self._origin}"

    def _add_services(self) -> None:
        aliases: dict[str, str] = {}
        for service in self._world.services:
            name = self._name(service)
            if is_external_name(service):
                aliases[name] = target_name(service.external_name)
                continue
            records, pointers = service_records(
                service, self._world.endpoints.get(service.key, {}), name, self._request.rules
            )
            self._forward.add(records)
            self._pointers += pointers
        owners = frozenset(self._forward.owners)
        external = self._external_origin()
        for name, target in aliases.items():
            alias, _ = judge(name, aliases, owners, self._origin, external)
            if alias is Alias.CNAME and is_name(target):
                self._forward.add([(name, "CNAME", target)])
            elif alias is not Alias.LITERAL:
                self._forward.anchor(name)

    def _find_name_servers(self) -> Iterator[Record]:
        """Names of Services behind which the servers are, with addresses (CoreDNS 1.15).

        Those count as well that are hidden otherwise.
        """
        servers = frozenset(self._servers)
        for service in (*self._world.services, *self._world.hidden):
            endpoints = self._world.endpoints.get(service.key, {})
            if not any(e.address in servers for some in endpoints.values() for e in some):
                continue
            name = self._name(service)
            if service.headless:
                named = endpoint_names(service, endpoints, name, self._request.rules)
                for address, owner in named.items():
                    yield from address_records(owner, [address])
            else:
                yield from address_records(name, service.cluster_ips)

    def _add_apex(self) -> None:
        origin, own = self._origin, f"ns.dns.{self._origin}"
        found = [record for record in self._find_name_servers() if is_name(record[0])]
        if not found:
            found = list(address_records(own, self._servers[:_MOST_SERVERS]))
        self._name_servers = tuple(sorted({record[0] for record in found})[:_MOST_SERVERS])
        found = [record for record in found if record[0] in self._name_servers]
        self._forward.add(found)
        # The SOA names it, and CoreDNS answers for it whatever the name servers are called (1.15).
        self._forward.add((own, kind, address) for _, kind, address in found)
        self._forward.add((origin, "NS", name) for name in self._name_servers)
        self._forward.add([(f"dns-version.{origin}", "TXT", '"1.1.0"')])

    def _add_pods(self) -> None:
        if self._request.pods != "verified":
            return
        seen: dict[str, list[str]] = {}
        for pod in self._world.pods:
            # The plugin compares the text: an address that ends in "::" has no name (1.15).
            if not pod.address.endswith(":"):
                name = f"{dashed(pod.address)}.{pod.namespace}.pod.{self._origin}"
                seen.setdefault(name, []).append(pod.address)
        for name, addresses in seen.items():
            self._forward.add(address_records(name, addresses))
            self._forward.add(srv_records(name, [(0, name)] * len(addresses)))

    def _add_anchors(self) -> None:
        origin = self._origin
        namespaces = {f"{name}.svc.{origin}" for name in self._world.namespaces}
        roots = {f"svc.{origin}", f"pod.{origin}"}
        if self._request.pods == "verified":
            namespaces |= {f"{name}.pod.{origin}" for name in self._world.namespaces}
        present = {
            name.split(".", max(0, name.count(".") - origin.count(".") - 2))[-1]
            for name in self._forward.owners
        }
        for name in namespaces - present:
            self._forward.anchor(name)
            present.add(name)
        parents = {name.partition(".")[2] for name in present}
        for name in roots - parents:
            self._forward.anchor(name)

    def _external_origin(self) -> str:
        domain = self._request.external_domain
        return f"{domain.rstrip('.')}." if domain else ""

    def _external(self) -> Zone:
        origin = self._external_origin()
        builder = _Builder(origin, self._request.ttl)
        own = f"ns1.dns.{origin}"
        builder.add(address_records(own, self._servers[:_MOST_SERVERS]))
        builder.add([(origin, "NS", own)])
        for service in self._world.services:
            if is_external_name(service):
                continue
            name = f"{service.key.name}.{service.key.namespace}.{origin}"
            if name == own:
                continue  # The zone's own names come first (CoreDNS 1.15).
            endpoints = self._world.endpoints.get(service.key, {})
            records, pointers = external_records(service, endpoints, name, self._request.rules)
            builder.add(records)
            self._pointers += pointers
        return builder.zone(own, f"hostmaster.dns.{origin}")

    def _reverse(self) -> list[Zone]:
        origins = reverse_zones({*self._request.service_cidrs, *self._request.pod_cidrs})
        builders = {origin: _Builder(origin, self._request.ttl) for origin in origins}
        known = frozenset(origins)
        virtual = {p.address for p in self._pointers if not p.of_endpoint}
        for pointer in self._pointers:
            if pointer.of_endpoint and pointer.address in virtual:
                continue
            name = reverse_name(pointer.address)
            origin = enclosing(name, known)
            if origin and is_name(pointer.target):
                builders[origin].add([(name, "PTR", pointer.target)])
        return [self._reverse_zone(builder) for builder in builders.values()]

    def _reverse_zone(self, builder: _Builder) -> Zone:
        # A zone of nothing but SOA and NS says that its own apex doesn't exist (CoreDNS 1.15).
        if not builder.owners:
            builder.anchor(builder.origin)
        builder.add((builder.origin, "NS", name) for name in self._name_servers)
        origin = builder.origin
        return builder.zone(f"ns.dns.{origin}", f"hostmaster.{origin}")
