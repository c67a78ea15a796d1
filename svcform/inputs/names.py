"""What only names need of the objects: namespaces, and the addresses of pods."""

from __future__ import annotations

from collections.abc import Iterable

from svcform.inputs.kinds import NAMESPACE, POD
from svcform.inputs.manifests import RawObject
from svcform.inputs.pods import read_pod
from svcform.inputs.services import key_of
from svcform.model.workspace import PodAddress


def namespaces_of(objects: Iterable[RawObject]) -> frozenset[str]:
    """The namespaces that have an object of their own, or hold another one."""
    return frozenset(
        name
        for item in objects
        if (name := key_of(item).name if item.kind is NAMESPACE else _namespace(item))
    )


def _namespace(item: RawObject) -> str:
    return key_of(item).namespace if item.kind.namespaced else ""


def pod_addresses(objects: Iterable[RawObject]) -> tuple[PodAddress, ...]:
    """All addresses of pods that run, one entry a pod and address, sorted."""
    pods = (read_pod(item) for item in objects if item.kind is POD)
    return tuple(
        sorted(PodAddress(pod.namespace, each) for pod in pods if pod for each in pod.addresses)
    )
