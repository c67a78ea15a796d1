"""Services, as they are after reading, checking and allocation."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from svcform.diagnostics import Origin
from svcform.model.net import Family, Protocol


class NamespacedName(NamedTuple):
    """The key of an object: ``namespace/name``."""

    namespace: str
    name: str

    def __str__(self) -> str:
        text = f"{self.namespace}/{self.name}"
        # Findings name objects before their names are checked: a line break would forge a line.
        return text if text.isprintable() else repr(text)[1:-1]


class ServiceType(Enum):
    """``spec.type``."""

    CLUSTER_IP = "ClusterIP"
    NODE_PORT = "NodePort"
    LOAD_BALANCER = "LoadBalancer"
    EXTERNAL_NAME = "ExternalName"


class TrafficPolicy(Enum):
    """``internalTrafficPolicy`` and ``externalTrafficPolicy``."""

    CLUSTER = "Cluster"
    LOCAL = "Local"


class IPFamilyPolicy(Enum):
    """``spec.ipFamilyPolicy`` (KEP-563)."""

    SINGLE_STACK = "SingleStack"
    PREFER_DUAL_STACK = "PreferDualStack"
    REQUIRE_DUAL_STACK = "RequireDualStack"


class TrafficDistribution(Enum):
    """``spec.trafficDistribution`` (KEP-4444, KEP-3015)."""

    PREFER_CLOSE = "PreferClose"
    PREFER_SAME_ZONE = "PreferSameZone"
    PREFER_SAME_NODE = "PreferSameNode"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePort:
    """One entry of ``spec.ports``; ``node_port`` 0 means none; ``name`` may be empty."""

    name: str = ""
    protocol: Protocol = Protocol.TCP
    port: int
    target_port: int | str | None = None
    node_port: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingress:
    """An address of a load balancer; with ``vip`` False (``ipMode: Proxy``) it is not captured."""

    address: str
    vip: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A Service; all addresses are canonical text.

    :func:`svcform.policy.allocate.allocate` fills in what the manifest leaves out:
    ``cluster_ips``, ``ip_families``, node ports (not for a load balancer with
    ``allocate_node_ports`` False) and ``ingress`` (``load_balancer_ip`` is the manifest's wish).
    ``ingress_names`` are the host names of a load balancer that has no addresses of its own.
    ``cluster_ips`` is empty for headless and ExternalName Services.  ``source_ranges`` holds CIDRs
    with host bits cleared, subsumed ones dropped; empty means everybody.
    ``affinity_seconds`` is None without ClientIP affinity.  A Service with a
    ``load_balancer_class`` is somebody else's to give an address to.
    """

    key: NamespacedName
    type: ServiceType = ServiceType.CLUSTER_IP
    headless: bool = False
    cluster_ips: tuple[str, ...] = ()
    ip_families: tuple[Family, ...] = ()
    ip_family_policy: IPFamilyPolicy | None = None
    ports: tuple[ServicePort, ...] = ()
    external_ips: tuple[str, ...] = ()
    ingress: tuple[Ingress, ...] = ()
    ingress_names: tuple[str, ...] = ()
    load_balancer_ip: str = ""
    allocate_node_ports: bool = True
    source_ranges: tuple[str, ...] = ()
    internal_traffic_policy: TrafficPolicy = TrafficPolicy.CLUSTER
    external_traffic_policy: TrafficPolicy = TrafficPolicy.CLUSTER
    traffic_distribution: TrafficDistribution | None = None
    affinity_seconds: int | None = None
    health_check_node_port: int = 0
    external_name: str = ""
    publish_not_ready_addresses: bool = False
    load_balancer_class: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()
    origin: Origin = field(default=Origin(""), compare=False)

    def label(self, name: str) -> str | None:
        """The value of a label, or None."""
        return next((value for key, value in self.labels if key == name), None)

    def annotation(self, name: str) -> str | None:
        """The value of an annotation, or None."""
        return next((value for key, value in self.annotations if key == name), None)
