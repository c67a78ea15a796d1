"""Validated objects in, Services of the model out: what Kubernetes' API server would hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from svcform.diagnostics import Diagnostic, Severity
from svcform.inputs.addresses import parse_cidr
from svcform.inputs.kinds import (
    ENDPOINT_SLICE,
    ENDPOINTS,
    KINDS,
    NODE,
    SERVICE,
    SERVICE_CIDR,
    Kind,
)
from svcform.inputs.manifests import RawObject
from svcform.inputs.pods import labels_of
from svcform.inputs.service_checks import check_service
from svcform.inputs.services import build_service, key_of
from svcform.inputs.slice_checks import check_endpoint_names
from svcform.inputs.sources import Source
from svcform.inputs.validate import dotted
from svcform.inputs.yaml_read import Document
from svcform.model.service import NamespacedName, Service

ZONE = "topology.kubernetes.io/zone"
_CHECKS: Mapping[Kind, Callable[[RawObject], Iterator[Diagnostic]]] = {
    SERVICE: check_service,
    ENDPOINT_SLICE: check_endpoint_names,
    ENDPOINTS: check_endpoint_names,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """What the objects say, before allocation.

    ``selectors`` has the Services that select pods; ``zones`` maps a Node object's name to its
    zone; ``service_cidrs`` are those of ServiceCIDR objects.
    """

    services: Mapping[NamespacedName, Service] = field(default_factory=dict)
    selectors: Mapping[NamespacedName, Mapping[str, str]] = field(default_factory=dict)
    zones: Mapping[str, str] = field(default_factory=dict)
    service_cidrs: tuple[str, ...] = ()


def resolve_services(
    objects: Iterable[RawObject], *, lenient: bool = False
) -> tuple[Cluster, list[Diagnostic]]:
    """Build all Services, check them and the endpoints' names; ``objects`` are valid.

    With ``lenient`` only what can't be read at all is left out, and the API server's rules are not
    asked: kube-proxy's own tests have Services that no API server would store.
    """
    found: list[Diagnostic] = []
    services: dict[NamespacedName, Service] = {}
    selectors: dict[NamespacedName, Mapping[str, str]] = {}
    zones: dict[str, str] = {}
    cidrs: list[str] = []
    for item in objects:
        if item.kind in _CHECKS and not lenient:
            found += _CHECKS[item.kind](item)
        if item.kind is SERVICE:
            service = build_service(item)
            services[service.key] = service
            selector = item.value["spec"].get("selector")
            if selector:
                selectors[service.key] = {name: value or "" for name, value in selector.items()}
        elif item.kind is NODE:
            zone = labels_of(item.value["metadata"]).get(ZONE)
            if zone:
                zones[key_of(item).name] = zone
        elif item.kind is SERVICE_CIDR:
            cidrs += (item.value.get("spec") or {}).get("cidrs") or ()
    networks = [str(network) for text in cidrs if (network := parse_cidr(text))]
    return (
        Cluster(
            services=dict(sorted(services.items())),
            selectors=selectors,
            zones=zones,
            service_cidrs=tuple(dict.fromkeys(networks)),
        ),
        found,
    )


def objects_of(values: Iterable[Mapping[str, Any]]) -> list[RawObject]:
    """Objects that never were in a file, for callers that make them up."""
    source = Source(name="", file="", text="")
    return [
        RawObject(KINDS[value["kind"]], dict(value), Document(source, number, value))
        for number, value in enumerate(values)
    ]


def without_duplicates(
    objects: Sequence[RawObject | None],
) -> tuple[list[RawObject | None], list[Diagnostic]]:
    """Each object once, and an error for each that is there twice.

    Two plays may render one template to the same object.  The numbers stay: what is left out is
    None.
    """
    first: dict[tuple[Kind, NamespacedName], RawObject] = {}
    kept: list[RawObject | None] = []
    found: list[Diagnostic] = []
    for item in objects:
        if item is None:
            kept.append(None)
            continue
        before = first.setdefault((item.kind, key_of(item)), item)
        if before is item or before.value == item.value:
            kept.append(before)
            continue
        kept.append(None)
        found.append(_duplicate(item, before))
    return kept, found


def _duplicate(item: RawObject, before: RawObject) -> Diagnostic:
    key = key_of(item)
    name = str(key) if item.kind.namespaced else key.name
    there = before.document.source.file
    place = dotted(before.path) or "its document"
    return Diagnostic(
        "SVC201",
        Severity.ERROR,
        "An object is there twice",
        f"The {item.kind.name} {name} is also in {there} ({place} {before.document.number + 1}), "
        "and says something else there; remove or rename one.",
        item.origin.at("metadata", "name"),
    )
