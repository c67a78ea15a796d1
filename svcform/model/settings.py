"""The settings of a play, typed and with their defaults: one frozen value a node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import NamedTuple

from svcform.model.net import Protocol, endpoint_text
from svcform.model.template import Template


class ProxyMode(Enum):
    """Which backend forwards a node's Services."""

    IPTABLES = "iptables"
    NFTABLES = "nftables"
    IPVS = "ipvs"
    USERSPACE = "userspace"
    NONE = "none"

    @property
    def terminates(self) -> bool:
        """Whether a program on the node takes connections, and makes its own to endpoints.

        Endpoints then see the node, whoever the client is.
        """
        return self is ProxyMode.USERSPACE

    @property
    def holds_connections(self) -> bool:
        """Whether connections end with the mode: other than conntrack knows where they go.

        IPVS and proxies have tables of their own; what conntrack has of these connections leads
        nowhere without them.
        """
        return self in {ProxyMode.IPVS, ProxyMode.USERSPACE}

    @property
    def protocols(self) -> frozenset[Protocol]:
        """Those that it can carry: no program that userspace mode uses knows SCTP."""
        left_out = {Protocol.SCTP} if self is ProxyMode.USERSPACE else set()
        return frozenset(Protocol) - left_out


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A file that svcform brings to a node: its path on the controller, checksum, and bytes."""

    file: str
    sha256: str
    content: bytes = field(default=b"", repr=False, compare=False)


class ManagementFlow(NamedTuple):
    """Connections that no plan may cut: from a CIDR to a port; no address means the node's own."""

    protocol: Protocol
    source: str
    address: str
    port: int

    def __str__(self) -> str:
        target = endpoint_text(self.address, self.port)
        return f"{self.protocol.value.lower()}://{self.source} -> {target}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a play or the inventory sets for one node; the table is in ``docs/settings.md``.

    Addresses and CIDRs are canonical text.  ``node_port_addresses`` is ``("primary",)``,
    ``("all",)`` or CIDRs.  ``node_ip`` is empty where the node's own facts decide.
    ``load_balancer_pools`` maps a pool's name to CIDRs and ranges (``192.0.2.10-192.0.2.20``).
    ``coredns_downloads`` maps an architecture (``amd64``) to what is brought along; empty means
    that ``coredns_binary`` is a path or a name on the node.  ``dns_listen`` is empty for the node's
    own addresses, ``dns_namespaces`` None for all, ``dns_external_zone`` empty for none.
    ``templates`` are those of the project in place of svcform's own, by name.
    """

    proxy_mode: ProxyMode = ProxyMode.IPTABLES
    service_cidrs: tuple[str, ...] = ()
    pod_cidrs: tuple[str, ...] = ()
    masquerade_all: bool = False
    masquerade_mark: int = 0x2000
    affinity_entries: int = 65535
    node_ip: tuple[str, ...] = ()
    node_name: str = ""
    zone: str = ""
    node_port_range: tuple[int, int] = (30000, 32767)
    node_port_addresses: tuple[str, ...] = ("primary",)
    localhost_node_ports: bool = False
    management_flows: tuple[ManagementFlow, ...] = ()
    ipvs_scheduler: str = "rr"
    drain_wait: int = 0
    load_balancer_pools: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    cluster_domain: str = "cluster.local"
    dns: bool = False
    coredns_binary: str = "coredns"
    coredns_downloads: Mapping[str, Download] = field(default_factory=lambda: MappingProxyType({}))
    templates: Mapping[str, Template] = field(default_factory=lambda: MappingProxyType({}))
    dns_listen: tuple[str, ...] = ()
    dns_ttl: int = 5
    dns_ttl_wait: bool = False
    dns_endpoint_names: str = "headless"
    dns_endpoint_pod_names: bool = False
    dns_pods: str = "disabled"
    dns_namespaces: tuple[str, ...] | None = None
    dns_ignore_empty_service: bool = False
    dns_zonal: bool = False
    dns_external_zone: str = ""
    dns_external_headless: bool = False
    dns_forward: tuple[str, ...] = ()
    dns_resolver: str = "none"
