"""The API server's rules for the ports and names in EndpointSlices and Endpoints.

From Kubernetes v1.36, ``pkg/apis/discovery/validation`` and ``pkg/apis/core/validation``.  What is
wrong with addresses is found where they are read: :mod:`svcform.inputs.slices`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from svcform.diagnostics import Diagnostic, Severity
from svcform.inputs.kinds import ENDPOINT_SLICE
from svcform.inputs.manifests import RawObject
from svcform.inputs.services import key_of
from svcform.policy.dns_names import is_label

Path = tuple[str | int, ...]


def check_endpoint_names(item: RawObject) -> Iterator[Diagnostic]:
    """What the API server would refuse, or kube-proxy ignore, in ports and hostnames."""
    if item.kind is ENDPOINT_SLICE:
        yield from _ports(item)
    for path, entry in _endpoints(item):
        hostname = entry.get("hostname")
        if hostname and not is_label(hostname):
            detail = (
                f"the hostname {hostname!r} is no DNS label (lower case letters, digits and '-', "
                "at most 63, with no '-' at either end)."
            )
            yield _wrong(item, (*path, "hostname"), detail)


def _endpoints(item: RawObject) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    if item.kind is ENDPOINT_SLICE:
        for number, entry in enumerate(item.value.get("endpoints") or ()):
            yield ("endpoints", number), entry
        return
    for number, subset in enumerate(item.value.get("subsets") or ()):
        for field in ("addresses", "notReadyAddresses"):
            for place, entry in enumerate(subset.get(field) or ()):
                yield ("subsets", number, field, place), entry


def _ports(item: RawObject) -> Iterator[Diagnostic]:
    seen: set[str] = set()
    for number, port in enumerate(item.value.get("ports") or ()):
        name = port.get("name") or ""
        if name in seen:
            what = f"the name {name!r}" if name else "no name"
            detail = f"two ports have {what}; each port of a slice has a name of its own."
            yield _wrong(item, ("ports", number), detail)
        seen.add(name)
        if port.get("port") == 0:
            yield Diagnostic(
                "SVC213",
                Severity.WARNING,
                "A port of an EndpointSlice is ignored",
                f"EndpointSlice {key_of(item)}: nobody answers on port 0, so that it is passed "
                "over, as kube-proxy does; give the number of the endpoints' port.",
                item.origin.at("ports", number, "port"),
            )


def _wrong(item: RawObject, path: Path, detail: str) -> Diagnostic:
    return Diagnostic(
        "SVC212",
        Severity.ERROR,
        "The API server would refuse these endpoints",
        f"{item.kind.name} {key_of(item)}: {detail}",
        item.origin.at(*path),
    )
