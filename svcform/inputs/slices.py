"""Endpoints from EndpointSlices and Endpoints objects (kube-proxy v1.36, endpointslicecache.go)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from svcform.inputs.addresses import canonical_address
from svcform.inputs.manifests import RawObject
from svcform.inputs.services import protocol_of
from svcform.model.endpoint import Endpoint, PortKey, ServiceEndpoints
from svcform.model.net import Family, endpoint_text

SERVICE_NAME = "kubernetes.io/service-name"
HEADLESS = "service.kubernetes.io/headless"

_NOTHING: Mapping[str, Any] = {}


class EndpointSet:
    """Collects the endpoints of one Service; a port and address is in it once."""

    def __init__(self) -> None:
        self._ports: dict[PortKey, dict[tuple[str, int], Endpoint]] = {}

    def add(self, key: PortKey, endpoint: Endpoint) -> None:
        """Add an endpoint; of two with one address the first that isn't terminating stays."""
        here = self._ports.setdefault(key, {})
        place = (endpoint.address, endpoint.port)
        before = here.setdefault(place, endpoint)
        if before.terminating and not endpoint.terminating:
            here[place] = endpoint

    def declare(self, key: PortKey) -> None:
        """Note a port that somebody offers, even if there is no endpoint (yet)."""
        self._ports.setdefault(key, {})

    def frozen(self) -> ServiceEndpoints:
        """Port by port, sorted by the text ``address:port``."""
        return {
            key: tuple(sorted(found.values(), key=_sort_text)) for key, found in self._ports.items()
        }


def _sort_text(endpoint: Endpoint) -> str:
    return endpoint_text(endpoint.address, endpoint.port)


def add_slice(item: RawObject, to: EndpointSet) -> None:
    """Add what an EndpointSlice has; FQDN slices have no addresses."""
    value = item.value
    if value["addressType"] == "FQDN":
        return
    family = Family(value["addressType"])
    ports = [
        (PortKey(port.get("name") or "", protocol_of(port), family), int(port["port"]))
        for port in value.get("ports") or ()
        if port.get("port")
    ]
    for key, _ in ports:
        to.declare(key)
    for entry in value.get("endpoints") or ():
        made = _slice_endpoint(entry)
        if made is None:
            continue
        for key, number in ports:
            to.add(key, made._replace(port=number))


def _slice_endpoint(entry: Mapping[str, Any]) -> Endpoint | None:
    address = canonical_address(entry["addresses"][0]) if entry["addresses"] else None
    if address is None:
        return None
    conditions = entry.get("conditions") or _NOTHING
    hints = entry.get("hints")
    target = entry.get("targetRef") or _NOTHING
    return Endpoint(
        address,
        0,
        entry.get("nodeName"),
        conditions.get("ready") is not False,
        conditions.get("serving") is not False,
        conditions.get("terminating") is True,
        _names(hints, "forZones") if hints else (),
        _names(hints, "forNodes") if hints else (),
        entry.get("hostname") or "",
        target.get("name") or "" if target.get("kind") == "Pod" else "",
    )


def _names(hints: Mapping[str, Any], field: str) -> tuple[str, ...]:
    return tuple(hint["name"] for hint in hints.get(field) or ())


def add_endpoints(item: RawObject, to: EndpointSet) -> None:
    """Add what an Endpoints object has, as the mirroring controller would; see its ``subsets``."""
    for subset in item.value.get("subsets") or ():
        ports = [
            (port.get("name") or "", protocol_of(port), int(port["port"]))
            for port in subset.get("ports") or ()
        ]
        for ready, entry in _subset_addresses(subset):
            address = canonical_address(entry["ip"])
            if address is None:
                continue
            family = Family.IPV6 if ":" in address else Family.IPV4
            target = entry.get("targetRef") or _NOTHING
            for name, protocol, number in ports:
                to.add(
                    PortKey(name, protocol, family),
                    Endpoint(
                        address,
                        number,
                        entry.get("nodeName"),
                        ready,
                        ready,
                        hostname=entry.get("hostname") or "",
                        pod=target.get("name") or "" if target.get("kind") == "Pod" else "",
                    ),
                )


def _subset_addresses(subset: Mapping[str, Any]) -> Iterator[tuple[bool, Mapping[str, Any]]]:
    for entry in subset.get("addresses") or ():
        yield True, entry
    for entry in subset.get("notReadyAddresses") or ():
        yield False, entry
