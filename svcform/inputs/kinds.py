"""The kinds of objects that svcform reads, and the apiVersions that they may have."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind: its name, its apiVersion, its schema, whether its objects are in a namespace."""

    name: str
    api_version: str
    namespaced: bool = True

    @property
    def schema(self) -> str:
        """The name of its JSON Schema."""
        return self.name.lower()


SERVICE = Kind("Service", "v1")
ENDPOINT_SLICE = Kind("EndpointSlice", "discovery.k8s.io/v1")
ENDPOINTS = Kind("Endpoints", "v1")
POD = Kind("Pod", "v1")
DEPLOYMENT = Kind("Deployment", "apps/v1")
STATEFUL_SET = Kind("StatefulSet", "apps/v1")
DAEMON_SET = Kind("DaemonSet", "apps/v1")
REPLICA_SET = Kind("ReplicaSet", "apps/v1")
NODE = Kind("Node", "v1", namespaced=False)
NAMESPACE = Kind("Namespace", "v1", namespaced=False)
SERVICE_CIDR = Kind("ServiceCIDR", "networking.k8s.io/v1", namespaced=False)

KINDS = {
    kind.name: kind
    for kind in (
        SERVICE,
        ENDPOINT_SLICE,
        ENDPOINTS,
        POD,
        DEPLOYMENT,
        STATEFUL_SET,
        DAEMON_SET,
        REPLICA_SET,
        NODE,
        NAMESPACE,
        SERVICE_CIDR,
    )
}
WORKLOADS = (DEPLOYMENT, STATEFUL_SET, DAEMON_SET, REPLICA_SET)


def group_of(api_version: str) -> str:
    """The API group: ``apps`` of ``apps/v1``, empty for the core's ``v1``."""
    return api_version.rpartition("/")[0]
