"""Endpoints from EndpointSlices and Endpoints objects (kube-proxy v1.36, endpointslicecache.go)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from svcform.diagnostics import Diagnostic, Severity
from svcform.inputs.addresses import endpoint_address
from svcform.inputs.manifests import RawObject
from svcform.inputs.services import key_of, protocol_of
from svcform.model.endpoint import Endpoint, PortKey, ServiceEndpoints
from svcform.model.net import Family, Protocol, endpoint_text, family_of
from svcform.policy.dns_names import is_label

SERVICE_NAME = "kubernetes.io/service-name"
HEADLESS = "service.kubernetes.io/headless"

_NOTHING: Mapping[str, Any] = {}


class EndpointSet:
    """Collects the endpoints of one Service; a port and address is in it once."""

    def __init__(self) -> None:
        self._ports: dict[PortKey, dict[tuple[str, int], Endpoint]] = {}

    def port(self, key: PortKey) -> dict[tuple[str, int], Endpoint]:
        """Where :func:`put` puts the endpoints of a port, which somebody offers from now on."""
        return self._ports.setdefault(key, {})

    def frozen(self) -> ServiceEndpoints:
        """Port by port, sorted by the text ``address:port``."""
        return {
            key: tuple(sorted(found.values(), key=_sort_text)) for key, found in self._ports.items()
        }


def put(endpoint: Endpoint, into: dict[tuple[str, int], Endpoint]) -> None:
    """Add an endpoint; of two with one address the first that isn't terminating stays."""
    place = (endpoint.address, endpoint.port)
    before = into.setdefault(place, endpoint)
    if before.terminating and not endpoint.terminating:
        into[place] = endpoint


def _sort_text(endpoint: Endpoint) -> str:
    return endpoint_text(endpoint.address, endpoint.port)


def add_slice(item: RawObject, to: EndpointSet, *, headless: bool = False) -> Iterator[Diagnostic]:
    """Add what an EndpointSlice has, and give what is wrong with its addresses.

    Slices of names (FQDN) have no addresses.  Without ports there is nothing to forward, but the
    endpoints of a headless Service still have names: they get the port 0.
    """
    value = item.value
    if value["addressType"] == "FQDN":
        return
    family = Family(value["addressType"])
    ports = [
        (to.port(PortKey(port.get("name") or "", protocol_of(port), family)), int(port["port"]))
        for port in value.get("ports") or ()
        if port.get("port")
    ]
    if headless and not ports:
        ports = [(to.port(PortKey("", Protocol.TCP, family)), 0)]
    for number, entry in enumerate(value.get("endpoints") or ()):
        address, problem = _first_address(entry["addresses"], family)
        if problem or address is None:
            yield _wrong_address(item, problem, ("endpoints", number, "addresses"))
            continue
        rest = _slice_endpoint(entry)
        for into, port_number in ports:
            put(Endpoint(address, port_number, *rest), into)


def _first_address(addresses: Sequence[str], family: Family) -> tuple[str | None, str]:
    # kube-proxy reads no other address of an endpoint.
    if not addresses:
        return None, "an endpoint has no address"
    address, problem = endpoint_address(addresses[0])
    if address is not None and family_of(address) is not family:
        problem = f"is no {family.value} address, as addressType says"
    return address, problem and f"{addresses[0]} {problem}"


def _wrong_address(item: RawObject, problem: str, path: tuple[str | int, ...]) -> Diagnostic:
    return Diagnostic(
        "SVC211",
        Severity.ERROR,
        "An endpoint's address is not valid",
        f"{item.kind.name} {key_of(item)}: {problem}; give an address that other machines reach.",
        item.origin.at(*path),
    )


def _slice_endpoint(
    entry: Mapping[str, Any],
) -> tuple[str | None, bool, bool, bool, tuple[str, ...], tuple[str, ...], str, str, str]:
    # What an Endpoint has besides address and port.
    conditions = entry.get("conditions") or _NOTHING
    hints = entry.get("hints")
    target = entry.get("targetRef") or _NOTHING
    return (
        entry.get("nodeName"),
        conditions.get("ready") is not False,
        conditions.get("serving") is not False,
        conditions.get("terminating") is True,
        _names(hints, "forZones") if hints else (),
        _names(hints, "forNodes") if hints else (),
        _hostname(entry),
        target.get("name") or "" if target.get("kind") == "Pod" else "",
        entry.get("zone") or "",
    )


def _hostname(entry: Mapping[str, Any]) -> str:
    # What is no label has been reported, and the endpoint is named after its address.
    text: str = entry.get("hostname") or ""
    return text if text and is_label(text.lower()) else ""


def _names(hints: Mapping[str, Any], field: str) -> tuple[str, ...]:
    return tuple(hint["name"] for hint in hints.get(field) or ())


def add_endpoints(
    item: RawObject, to: EndpointSet, *, headless: bool = False
) -> Iterator[Diagnostic]:
    """Add what an Endpoints object has (its ``subsets``), as the mirroring controller would."""
    for number, subset in enumerate(item.value.get("subsets") or ()):
        ports = [
            (port.get("name") or "", protocol_of(port), int(port["port"]))
            for port in subset.get("ports") or ()
        ]
        if headless and not ports:
            ports = [("", Protocol.TCP, 0)]
        for ready, entry in _subset_addresses(subset):
            address, problem = endpoint_address(entry["ip"])
            if problem or address is None:
                yield _wrong_address(item, f"{entry['ip']} {problem}", ("subsets", number))
                continue
            made = _listed_endpoint(address, entry, ready=ready)
            for name, protocol, port_number in ports:
                into = to.port(PortKey(name, protocol, family_of(address)))
                put(made._replace(port=port_number), into)


def _listed_endpoint(address: str, entry: Mapping[str, Any], *, ready: bool) -> Endpoint:
    target = entry.get("targetRef") or _NOTHING
    return Endpoint(
        address,
        0,
        entry.get("nodeName"),
        ready,
        ready,
        hostname=_hostname(entry),
        pod=target.get("name") or "" if target.get("kind") == "Pod" else "",
    )


def _subset_addresses(subset: Mapping[str, Any]) -> Iterator[tuple[bool, Mapping[str, Any]]]:
    for entry in subset.get("addresses") or ():
        yield True, entry
    for entry in subset.get("notReadyAddresses") or ():
        yield False, entry
