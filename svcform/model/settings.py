"""The settings of a play, typed and with their defaults: one frozen value a node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType


class ProxyMode(Enum):
    """Which backend forwards a node's Services."""

    IPTABLES = "iptables"
    NFTABLES = "nftables"
    IPVS = "ipvs"
    USERSPACE = "userspace"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a play or the inventory sets for one node; the table is in ``docs/settings.md``.

    Addresses and CIDRs are canonical text.  ``node_port_addresses`` is ``("primary",)``,
    ``("all",)`` or CIDRs.  ``node_ip`` is empty where the node's own facts decide.
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
    management_flows: tuple[str, ...] = ()
    ipvs_scheduler: str = "rr"
    drain_wait: int = 0
    load_balancer_pools: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    cluster_domain: str = "cluster.local"
    dns: bool = False
