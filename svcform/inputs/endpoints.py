"""Who answers for each Service: slices, Endpoints, or the pods that its selector matches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from svcform.diagnostics import Diagnostic, Severity
from svcform.inputs.kinds import ENDPOINT_SLICE, ENDPOINTS, POD, WORKLOADS
from svcform.inputs.manifests import RawObject
from svcform.inputs.pods import Pod, PodIndex, labels_of, read_pod
from svcform.inputs.services import key_of
from svcform.inputs.slices import HEADLESS, SERVICE_NAME, EndpointSet, add_endpoints, add_slice, put
from svcform.inputs.workloads import Placements, Workload, read_workload, unknown_workloads
from svcform.model.endpoint import PortKey, ServiceEndpoints
from svcform.model.net import family_of
from svcform.model.service import NamespacedName, Service, ServicePort, ServiceType

Selectors = Mapping[NamespacedName, Mapping[str, str]]


@dataclass(slots=True)
class _Sources:
    """All objects that may hold endpoints, by the Service that they name or could match."""

    slices: dict[NamespacedName, list[RawObject]] = field(default_factory=lambda: defaultdict(list))
    endpoints: dict[NamespacedName, RawObject] = field(default_factory=dict)
    pods: list[Pod] = field(default_factory=list)
    zones: Mapping[str, str] = field(default_factory=dict)
    workloads: list[Workload] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)


def resolve_endpoints(
    services: Mapping[NamespacedName, Service],
    selectors: Selectors,
    objects: Sequence[RawObject],
    placements: Placements,
) -> tuple[dict[NamespacedName, ServiceEndpoints], list[Diagnostic]]:
    """The endpoints of every Service, and what is suspicious about them.

    In this order: EndpointSlices that name it, an Endpoints object of its name, the pods and placed
    workloads that its selector matches.
    """
    sources = _collect(objects, placements)
    index = PodIndex(sources.pods)
    sources.diagnostics += unknown_workloads(sources.workloads, placements)
    resolved: dict[NamespacedName, ServiceEndpoints] = {}
    for key, service in services.items():
        found = EndpointSet()
        slices = _slices(service, sources)
        if slices:
            for item in slices:
                sources.diagnostics += add_slice(item, found, headless=service.headless)
        elif key in sources.endpoints:
            item = sources.endpoints[key]
            sources.diagnostics += add_endpoints(item, found, headless=service.headless)
        elif selectors.get(key) and service.type is not ServiceType.EXTERNAL_NAME:
            sources.diagnostics += _select(service, selectors[key], index, found, sources)
        resolved[key] = found.frozen()
        if slices or key in sources.endpoints:
            sources.diagnostics += _unmatched_ports(service, resolved[key])
    sources.diagnostics += _orphans(services, sources)
    return resolved, sources.diagnostics


def _slices(service: Service, sources: _Sources) -> list[RawObject]:
    """The slices of a Service; those with the label of headless ones only serve names."""
    found = sources.slices.get(service.key, [])
    if service.headless:
        return found
    return [item for item in found if HEADLESS not in labels_of(item.value["metadata"])]


def _collect(objects: Sequence[RawObject], placements: Placements) -> _Sources:
    found = _Sources(zones=placements.zones)
    for item in objects:
        if item.kind is ENDPOINT_SLICE:
            _collect_slice(item, found)
        elif item.kind is ENDPOINTS:
            found.endpoints[key_of(item)] = item
        elif item.kind is POD:
            pod = read_pod(item)
            if pod:
                found.pods.append(pod)
        elif item.kind in WORKLOADS and not _is_owned(item):
            workload, diagnostics = read_workload(item, placements)
            found.workloads.append(workload)
            found.pods += workload.pods
            found.diagnostics += diagnostics
    return found


def _collect_slice(item: RawObject, found: _Sources) -> None:
    labels = labels_of(item.value["metadata"])
    name = labels.get(SERVICE_NAME)
    if name:
        found.slices[NamespacedName(key_of(item).namespace, name)].append(item)
        return
    found.diagnostics.append(
        Diagnostic(
            "SVC221",
            Severity.WARNING,
            "An EndpointSlice that names no Service",
            f"The EndpointSlice {key_of(item)} has no label {SERVICE_NAME}, so it belongs to no "
            "Service; set the label to the Service's name.",
            item.origin.at("metadata"),
        )
    )


def _is_owned(item: RawObject) -> bool:
    # The ReplicaSets of a Deployment, in a dump: the Deployment itself is there, too.
    return any(
        owner.get("controller") for owner in item.value["metadata"].get("ownerReferences") or ()
    )


def _select(
    service: Service,
    selector: Mapping[str, str],
    index: PodIndex,
    found: EndpointSet,
    sources: _Sources,
) -> Iterator[Diagnostic]:
    pods = index.select(service.key.namespace, selector)
    if not pods:
        yield _nobody(service, selector, sources)
    families = set(service.ip_families)
    for port in service.ports or (_NO_PORT,):
        offered = False
        for pod in pods:
            number = _target(port, pod)
            if number is None:
                continue
            offered = True
            zone = sources.zones.get(pod.node or "", "")
            for address in pod.addresses:
                family = family_of(address)
                if not families or family in families:
                    made = pod.endpoint(address, number, service, zone)
                    put(made, found.port(PortKey(port.name, port.protocol, family)))
        if pods and not offered:
            yield _no_such_port(service, port, pods)


# A headless Service may have no ports; its endpoints still have names.
_NO_PORT = ServicePort(port=0, target_port=0)


def _target(port: ServicePort, pod: Pod) -> int | None:
    if isinstance(port.target_port, str):
        if port.target_port.isdigit():
            return int(port.target_port)
        return pod.ports.get((port.target_port, port.protocol))
    return port.target_port if port.target_port is not None else port.port


def _nobody(service: Service, selector: Mapping[str, str], sources: _Sources) -> Diagnostic:
    text = ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
    waiting = [
        workload
        for workload in sources.workloads
        if workload.key.namespace == service.key.namespace
        and selector.items() <= workload.labels.items()
    ]
    if waiting:
        names = ", ".join(f"{workload.kind} {workload.key}" for workload in waiting)
        detail = (
            f"The selector {text} of {service.key} matches {names}, but no play says where its "
            f"replicas run; add `workloads: {{{waiting[0].key}: [NODE, …]}}` to the play."
        )
    else:
        detail = (
            f"The selector {text} of {service.key} matches no pod and no workload of the "
            f"namespace {service.key.namespace}, so nobody answers for it."
        )
    return Diagnostic(
        "SVC222",
        Severity.WARNING,
        "The selector matches nothing",
        detail,
        service.origin.at("spec", "selector"),
    )


def _no_such_port(service: Service, port: ServicePort, pods: Sequence[Pod]) -> Diagnostic:
    # Pods come from a cluster, where this is normal for a while; a workload is what somebody wrote.
    severity = Severity.ERROR if any(pod.placed for pod in pods) else Severity.WARNING
    known = sorted({name for pod in pods for name, _ in pod.ports})
    number = service.ports.index(port)
    return Diagnostic(
        "SVC223",
        severity,
        "The named port does not exist",
        f"Port {port.name or port.port} of {service.key} goes to the containers' port "
        f"{port.target_port!r} ({port.protocol.value}), and no container that the selector matches "
        f"has it (they name: {', '.join(known) or 'none'}).",
        service.origin.at("spec", "ports", number, "targetPort"),
    )


def _unmatched_ports(service: Service, endpoints: ServiceEndpoints) -> Iterator[Diagnostic]:
    offered = {(key.name, key.protocol) for key in endpoints}
    if not offered or service.headless:
        return
    for number, port in enumerate(service.ports):
        if (port.name, port.protocol) not in offered:
            names = ", ".join(sorted(f"{name or '(no name)'}/{p.value}" for name, p in offered))
            yield Diagnostic(
                "SVC224",
                Severity.WARNING,
                "No slice has this port",
                f"Port {port.name or '(no name)'}/{port.protocol.value} of {service.key} is in "
                f"none of its EndpointSlices, which have {names}; ports are matched by name and "
                "protocol.",
                service.origin.at("spec", "ports", number),
            )


def _orphans(services: Mapping[NamespacedName, Service], sources: _Sources) -> Iterator[Diagnostic]:
    for key, items in sources.slices.items():
        if key not in services:
            yield Diagnostic(
                "SVC225",
                Severity.NOTICE,
                "Endpoints of a Service that isn't there",
                f"The EndpointSlice {key_of(items[0])} belongs to the Service {key}, which no "
                "manifest has.",
                items[0].origin,
            )
