"""The records of one Service (Kubernetes DNS specification 1.1.0, sections 2.3 to 2.5)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from svcform.model.endpoint import Endpoint, PortKey, ServiceEndpoints
from svcform.model.net import Protocol
from svcform.model.service import Service, ServiceType
from svcform.policy.dns_aliases import target_name
from svcform.policy.dns_names import endpoint_label, is_name

#: A type of the private range (RFC 6895) that makes a wildcard exist and gives it no data.
NO_DATA_TYPE = "TYPE65280"
NO_DATA = r"\# 0"

Record = tuple[str, str, str]
"""Name, type, rdata."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NameRules:
    """The ``dns_…`` settings that decide which names there are."""

    endpoint_names: str = "headless"
    endpoint_pod_names: bool = False
    ignore_empty_service: bool = False
    zonal: bool = False
    external_headless: bool = False


class Pointer(NamedTuple):
    """An address and the name that it points back to; a clusterIP's wins over an endpoint's."""

    address: str
    target: str
    of_endpoint: bool


class _Place(NamedTuple):
    """One address and port of a headless Service or behind another one, with its own name."""

    address: str
    port: int
    name: str
    port_name: str
    protocol: Protocol
    zone: str


def address_records(name: str, addresses: Iterable[str]) -> Iterator[Record]:
    """A and AAAA records."""
    for address in addresses:
        yield name, "AAAA" if ":" in address else "A", address


def srv_records(name: str, entries: Sequence[tuple[int, str]]) -> Iterator[Record]:
    """SRV records to (port, target): they share 100 as CoreDNS has it, each at least 1."""
    if entries:
        weight = max(1, 100 // len(entries))
        for port, target in dict.fromkeys(entries):
            yield name, "SRV", f"0 {weight} {port} {target}"


def of_addresses(service: Service, name: str, addresses: Sequence[str]) -> Iterator[Record]:
    """What a Service with addresses of its own has at its name and below: A, AAAA and SRV.

    The name itself has SRV records of all ports, too: peer-finder asks for them (CoreDNS PR 823).
    """
    if not addresses:
        return
    yield from address_records(name, addresses)
    count = len(addresses)
    yield from srv_records(name, [(port.port, name) for port in service.ports] * count)
    for port in service.ports:
        if port.name:
            owner = _port_owner(port.name, port.protocol, name)
            yield from srv_records(owner, [(port.port, name)] * count)


def external_records(
    service: Service, endpoints: ServiceEndpoints, name: str, rules: NameRules
) -> tuple[list[Record], list[Pointer]]:
    """What a Service has in the external zone, as CoreDNS's k8s_external has it (1.15).

    Its load balancer's and external addresses; where that has but a host name, an alias for the
    first one, and SRV records of named ports that lead to it.
    """
    if service.headless:
        if not rules.external_headless:
            return [], []
        return _headless(list(_ready(endpoints)), name, rules)[0], []
    addresses = tuple(dict.fromkeys((*service.external_ips, *(i.address for i in service.ingress))))
    records = list(of_addresses(service, name, addresses))
    aliases = [a for a in map(target_name, service.ingress_names) if is_name(a)]
    if aliases and not addresses:
        # Nothing stands beside a CNAME, not even a second one (RFC 1034 section 3.6.2).
        records.append((name, "CNAME", aliases[0]))
        for port in service.ports:
            if port.name:
                owner = _port_owner(port.name, port.protocol, name)
                records += srv_records(owner, [(port.port, alias) for alias in aliases])
    return records, [Pointer(address, name, of_endpoint=False) for address in addresses]


def service_records(
    service: Service, endpoints: ServiceEndpoints, name: str, rules: NameRules
) -> tuple[list[Record], list[Pointer]]:
    """All records of a Service that is no ExternalName, and what points back.

    ``name`` is the Service's, absolute.  A headless Service without a ready endpoint has none at
    all: its name does not exist (section 2.4.1).
    """
    ready = list(_ready(endpoints))
    if service.headless:
        return _headless(ready, name, rules)
    pointers = [Pointer(address, name, of_endpoint=False) for address in service.cluster_ips]
    if rules.ignore_empty_service and not ready:
        # Its addresses point to it all the same (CoreDNS 1.15).
        return [], pointers
    records = list(of_addresses(service, name, service.cluster_ips))
    if rules.endpoint_names == "all" and records:
        places = _places(ready, name, rules)
        records += _endpoint_records(places)
        pointers += [Pointer(place.address, place.name, of_endpoint=True) for place in places]
    return records, pointers


def is_external_name(service: Service) -> bool:
    """Whether the Service is nothing but an alias."""
    return service.type is ServiceType.EXTERNAL_NAME


def endpoint_names(
    service: Service, endpoints: ServiceEndpoints, name: str, rules: NameRules
) -> Mapping[str, str]:
    """The names of a Service's ready endpoints by address, as far as they have any."""
    wanted = "headless" if service.headless else "all"
    if rules.endpoint_names not in {wanted, "all"}:
        return {}
    ready = list(_ready(endpoints))
    return {place.address: place.name for place in _places(ready, name, rules)}


def _ready(endpoints: ServiceEndpoints) -> Iterator[tuple[PortKey, Endpoint]]:
    return ((key, e) for key, some in endpoints.items() for e in some if e.ready)


def _headless(
    ready: Sequence[tuple[PortKey, Endpoint]], name: str, rules: NameRules
) -> tuple[list[Record], list[Pointer]]:
    places = _places(ready, name, rules)
    records = list(address_records(name, [place.address for place in places]))
    if rules.endpoint_names == "none":
        return records, []
    records += _port_records(places, name)
    records += _endpoint_records(places)
    if rules.zonal and places:
        records += _zonal(places, name)
    return records, [Pointer(place.address, place.name, of_endpoint=True) for place in places]


def _places(ready: Sequence[tuple[PortKey, Endpoint]], name: str, rules: NameRules) -> list[_Place]:
    pod_names = rules.endpoint_pod_names
    return [
        _Place(
            e.address,
            e.port,
            f"{endpoint_label(e.hostname, e.pod, e.address, pod_names=pod_names)}.{name}",
            key.name,
            key.protocol,
            e.zone,
        )
        for key, e in ready
    ]


def _entries(places: Iterable[_Place]) -> list[tuple[int, str]]:
    # A place without a port (0) has a name and no SRV record.
    return [(place.port, place.name) for place in places if place.port]


def _port_records(places: Sequence[_Place], name: str) -> Iterator[Record]:
    yield from srv_records(name, _entries(places))
    by_port: dict[tuple[str, Protocol], list[_Place]] = {}
    for place in places:
        if place.port_name:
            by_port.setdefault((place.port_name, place.protocol), []).append(place)
    for (port, protocol), some in by_port.items():
        yield from srv_records(_port_owner(port, protocol, name), _entries(some))


def _endpoint_records(places: Sequence[_Place]) -> Iterator[Record]:
    by_name: dict[str, list[_Place]] = {}
    for place in places:
        by_name.setdefault(place.name, []).append(place)
    for name, some in by_name.items():
        yield from address_records(name, [place.address for place in some])
        yield from srv_records(name, _entries(some))


def _zonal(places: Sequence[_Place], name: str) -> Iterator[Record]:
    """Names of a topology zone: ``pin`` has its endpoints, ``prefer`` all where it has none."""
    # The zone is kept by address, and the last entry wins (CoreDNS 1.14.7, PR 8388).
    zone_of = {place.address: place.zone.lower() for place in places}
    for zone in sorted(set(zone_of.values()) - {""}):
        inside = [place for place in places if zone_of[place.address] == zone]
        for how in ("pin", "prefer"):
            yield from _zone_records(inside, f"{zone}.{how}._zone.{name}")
    yield f"*.pin._zone.{name}", NO_DATA_TYPE, NO_DATA
    yield from _zone_records(places, f"*.prefer._zone.{name}")


def _zone_records(places: Sequence[_Place], owner: str) -> Iterator[Record]:
    yield from address_records(owner, [place.address for place in places])
    yield from srv_records(owner, _entries(places))


def _port_owner(port: str, protocol: Protocol, name: str) -> str:
    return f"_{port.lower()}._{protocol.value.lower()}.{name}"
