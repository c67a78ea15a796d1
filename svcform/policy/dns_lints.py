"""What in the Services would surprise who asks for their names: warnings, each with its place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from svcform.diagnostics import Diagnostic, Origin, Severity
from svcform.model.endpoint import ServiceEndpoints
from svcform.model.service import NamespacedName, Service
from svcform.model.workspace import Workspace
from svcform.model.zone import RecordSet, Zones
from svcform.policy.dns import decide_zones
from svcform.policy.dns_aliases import LONGEST_CHAIN, Alias, judge, target_name
from svcform.policy.dns_names import is_label, is_name
from svcform.policy.dns_services import is_external_name

#: What fits in one UDP packet everywhere (dnsflagday.net/2020); a longer answer needs TCP.
_UDP = 1232
_HEADER = 12 + 4
#: Bytes of a record besides its name and data, the name being a pointer (RFC 1035 section 4.1.4).
_RECORD = 12
_SIZES = {"A": 4, "AAAA": 16}
#: What says that a question may have a large answer (RFC 6891), in the answer, too.
_OPT = 11


def lint(workspace: Workspace) -> tuple[Diagnostic, ...]:
    """The findings for all nodes that serve DNS, each once; none where no node does."""
    by_node = decide_zones(workspace)
    domains = {n.name: n.settings.cluster_domain.lower().rstrip(".") + "." for n in workspace.nodes}
    found: dict[Diagnostic, None] = {}
    seen: set[int] = set()
    for node in workspace.nodes:
        zones = by_node.get(node.name)
        if zones is None or id(zones) in seen:
            continue
        seen.add(id(zones))
        shown = node.settings.dns_namespaces
        services = [
            service
            for service in workspace.services_of(node.plays)
            if shown is None or service.key.namespace in shown
        ]
        found.update(dict.fromkeys(_lint(services, workspace.endpoints, zones, domains[node.name])))
    return tuple(found)


def _lint(
    services: Sequence[Service],
    endpoints: Mapping[NamespacedName, ServiceEndpoints],
    zones: Zones,
    domain: str,
) -> Iterator[Diagnostic]:
    yield from _aliases(services, zones, domain)
    origins = {f"{s.key.name}.{s.key.namespace}.svc.{domain}": s for s in services}
    for name, service in origins.items():
        yield from _names(service, endpoints.get(service.key, {}), name)
        yield from _unnamed_ports(service)
    records = zones.zones[0].records
    glue = _glue(records)
    beside = _HEADER + _OPT + _servers(records, domain)
    for found in records:
        if found.name in origins:
            size = beside + len(found.name) + 1 + _size(found, glue)
            if size > _UDP:
                yield _large(origins[found.name], found.name, found.type, size)


def _glue(records: Iterable[RecordSet]) -> Mapping[str, int]:
    """The bytes of each name's addresses."""
    found: dict[str, int] = {}
    for each in records:
        if each.type in _SIZES:
            size = len(each.rdatas) * (_RECORD + _SIZES[each.type])
            found[each.name] = found.get(each.name, 0) + size
    return found


def _servers(records: Iterable[RecordSet], domain: str) -> int:
    """The bytes of the zone's name servers, which each answer names."""
    return sum(
        _RECORD + 2 + len(rdata.removesuffix(domain))
        for each in records
        if each.type == "NS"
        for rdata in each.rdatas
    )


def _size(found: RecordSet, glue: Mapping[str, int]) -> int:
    if found.type != "SRV":
        return sum(_RECORD + _SIZES.get(found.type, len(rdata) + 1) for rdata in found.rdatas)
    targets = [rdata.rpartition(" ")[2] for rdata in found.rdatas]
    # Names inside of SRV records are not compressed (RFC 2782); a large answer is cut short
    # also where only the addresses beside it don't fit.
    own = sum(_RECORD + 6 + len(target) + 1 for target in targets)
    return own + sum(glue.get(target, 0) for target in set(targets))


def _aliases(services: Sequence[Service], zones: Zones, domain: str) -> Iterator[Diagnostic]:
    aliases = {
        f"{s.key.name}.{s.key.namespace}.svc.{domain}": target_name(s.external_name)
        for s in services
        if is_external_name(s)
    }
    owners = {found.name for found in zones.zones[0].records if found.type != "CNAME"}
    # The external zone is the second one, where there is any; reverse zones lie elsewhere.
    external = next((zone.origin for zone in zones.zones[1:]), "")
    for service in services:
        name = f"{service.key.name}.{service.key.namespace}.svc.{domain}"
        if name in aliases:
            alias, target = judge(name, aliases, owners, domain, external)
            where = service.origin.at("spec", "externalName")
            yield from _alias(service, alias, target, where)


def _alias(service: Service, alias: Alias, target: str, where: Origin) -> Iterator[Diagnostic]:
    match alias:
        case Alias.LITERAL:
            yield _warning(
                "SVC251",
                "An ExternalName is an address",
                f"{service.key} leads to {service.external_name}, which is an address and no name: "
                "it has no DNS record. Make it a headless Service with an EndpointSlice.",
                where,
            )
        case Alias.RING:
            yield _warning(
                "SVC252",
                "ExternalNames lead in a ring",
                f"{service.key} leads back to {target} by its externalName, so that its name has "
                "no address. Let one of them lead somewhere else.",
                where,
            )
        case Alias.TOO_LONG:
            yield _warning(
                "SVC252",
                "ExternalNames lead in a ring",
                f"{service.key} leads to {target} and further, over more than {LONGEST_CHAIN} "
                "names, which CoreDNS does not follow, so that its name has no address. Let it "
                "lead to the last of them itself.",
                where,
            )
        case Alias.MISSING:
            yield _warning(
                "SVC253",
                "An ExternalName leads to nothing",
                f"{service.key} leads to {target}, which has no record in this project, so that "
                "its name has no address. Correct externalName, or add the Service.",
                where,
            )
        case Alias.CNAME:
            if not is_name(target_name(service.external_name)):
                yield _warning(
                    "SVC254",
                    "A name can't be in DNS",
                    f"{service.key} leads to {service.external_name}, which is longer than 255 "
                    "bytes, or has a label longer than 63: its name has no address. Correct "
                    "externalName.",
                    where,
                )


def _names(service: Service, endpoints: ServiceEndpoints, name: str) -> Iterator[Diagnostic]:
    hostnames = {e.hostname for some in endpoints.values() for e in some if e.hostname}
    for hostname in sorted(hostnames):
        if not is_label(hostname.lower()):
            yield _warning(
                "SVC254",
                "A name can't be in DNS",
                f"The hostname {hostname!r} of an endpoint of {service.key} is no DNS label (at "
                "most 63 letters, digits and '-'): the endpoint is named after its address.",
                service.origin.at("metadata", "name"),
            )
        elif not is_name(f"{hostname.lower()}.{name}"):
            yield _too_long(service, f"{hostname}.{name}")
    if not is_name(name):
        yield _too_long(service, name)


def _too_long(service: Service, name: str) -> Diagnostic:
    return _warning(
        "SVC254",
        "A name can't be in DNS",
        f"The name {name} of {service.key} is longer than 255 bytes, or a label of it longer than "
        "63: it is left out. Shorten the names or cluster_domain.",
        service.origin.at("metadata", "name"),
    )


def _unnamed_ports(service: Service) -> Iterator[Diagnostic]:
    if len(service.ports) < 2:
        return
    for number, port in enumerate(service.ports):
        if not port.name:
            yield _warning(
                "SVC255",
                "A port has no name",
                f"Port {port.port} of {service.key} has no name, so that there is no SRV record "
                "of its own for it. Give each port of a Service a name.",
                service.origin.at("spec", "ports", number),
            )


def _large(service: Service, name: str, kind: str, size: int) -> Diagnostic:
    return _warning(
        "SVC256",
        "An answer is too large for UDP",
        f"The answer to {name} {kind} has about {size} bytes, and what is longer than {_UDP} is "
        "asked again over TCP, or lost where nobody does that. Let clients use a clusterIP, or "
        f"split {service.key}.",
        service.origin.at("metadata", "name"),
    )


def _warning(code: str, summary: str, detail: str, where: Origin) -> Diagnostic:
    return Diagnostic(code, Severity.WARNING, summary, detail, where)
