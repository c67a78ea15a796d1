"""Pods, those that a manifest has and those that a play places: who could be an endpoint."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from svcform.diagnostics import Origin
from svcform.inputs.addresses import canonical_address
from svcform.inputs.manifests import RawObject
from svcform.inputs.services import key_of, protocol_of
from svcform.model.endpoint import Endpoint
from svcform.model.net import Protocol
from svcform.model.service import Service, TrafficDistribution

_NOTHING: Mapping[str, Any] = {}


class Pod(NamedTuple):
    """A pod as the endpoint slice controller sees it (Kubernetes v1.36; hints: trafficdist.go).

    ``addresses`` has at most one a family.  ``ports`` are the named ports of its containers and
    sidecars.  ``placed`` says that a play's ``workloads`` made it, not a Pod object.
    """

    namespace: str
    name: str
    labels: Mapping[str, str]
    addresses: tuple[str, ...]
    ports: Mapping[tuple[str, Protocol], int]
    origin: Origin
    node: str | None = None
    ready: bool = True
    terminating: bool = False
    hostname: str = ""
    subdomain: str = ""
    placed: bool = False

    def endpoint(self, address: str, port: int, service: Service, zone: str) -> Endpoint:
        """The pod as an endpoint of a Service; ``zone`` is that of its node, or empty."""
        publish = service.publish_not_ready_addresses
        ready = publish or (self.ready and not self.terminating)
        distribution = service.traffic_distribution if ready else None
        to_node = self.node if distribution is TrafficDistribution.PREFER_SAME_NODE else None
        return Endpoint(
            address,
            port,
            self.node,
            ready,
            publish or self.ready,
            self.terminating,
            (zone,) if zone and distribution else (),
            (to_node,) if to_node else (),
            hostname=self.hostname if self.subdomain == service.key.name else "",
            pod=self.name,
            zone=zone,
        )


class PodIndex:
    """Pods by namespace and label, to match 10,000 selectors in no time."""

    def __init__(self, pods: Iterable[Pod]) -> None:
        self._by_label: dict[tuple[str, str, str], list[Pod]] = defaultdict(list)
        for pod in pods:
            for key, value in pod.labels.items():
                self._by_label[pod.namespace, key, value].append(pod)

    def select(self, namespace: str, selector: Mapping[str, str]) -> list[Pod]:
        """The pods of a namespace that have all these labels; none for an empty selector."""
        lists = [self._by_label.get((namespace, *item), []) for item in selector.items()]
        if not lists:
            return []
        return [pod for pod in min(lists, key=len) if selector.items() <= pod.labels.items()]


def read_pod(item: RawObject) -> Pod | None:
    """The pod of a Pod object; None where it can be no endpoint: finished, or without address."""
    value = item.value
    status = value.get("status") or _NOTHING
    if status.get("phase") in ("Succeeded", "Failed"):
        return None
    addresses = _addresses(status)
    if not addresses:
        return None
    spec = value.get("spec") or _NOTHING
    metadata = value["metadata"]
    key = key_of(item)
    return Pod(
        key.namespace,
        key.name,
        labels_of(metadata),
        addresses,
        named_ports(spec),
        item.origin,
        node=spec.get("nodeName") or None,
        ready=_is_ready(status),
        terminating=bool(metadata.get("deletionTimestamp")),
        hostname=spec.get("hostname") or "",
        subdomain=spec.get("subdomain") or "",
    )


def labels_of(metadata: Mapping[str, Any]) -> dict[str, str]:
    """The labels of an object's metadata."""
    return {key: value or "" for key, value in (metadata.get("labels") or _NOTHING).items()}


def named_ports(spec: Mapping[str, Any]) -> dict[tuple[str, Protocol], int]:
    """The named ports of a pod's containers, and of its sidecars (init containers that restart).

    The first of a name wins, as in Kubernetes' ``FindPort`` (KEP-753 for the sidecars).
    """
    found: dict[tuple[str, Protocol], int] = {}
    sidecars = [
        container
        for container in spec.get("initContainers") or ()
        if container.get("restartPolicy") == "Always"
    ]
    for container in [*(spec.get("containers") or ()), *sidecars]:
        for port in container.get("ports") or ():
            if port.get("name"):
                found.setdefault((port["name"], protocol_of(port)), int(port["containerPort"]))
    return found


def _addresses(status: Mapping[str, Any]) -> tuple[str, ...]:
    texts = [entry.get("ip") for entry in status.get("podIPs") or ()] or [status.get("podIP")]
    by_version: dict[bool, str] = {}
    for text in texts:
        address = canonical_address(text) if text else None
        if address:
            by_version.setdefault(":" in address, address)
    return tuple(by_version.values())


def _is_ready(status: Mapping[str, Any]) -> bool:
    return any(
        condition["type"] == "Ready" and condition["status"] == "True"
        for condition in status.get("conditions") or ()
    )
