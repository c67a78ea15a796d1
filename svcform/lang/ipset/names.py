"""The sets that rules of iptables and a proxy mode agree on; ``4`` or ``6`` says their family."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from svcform.model.net import Family

PREFIX = "SVCFORM-"


@dataclass(frozen=True, slots=True)
class Kind:
    """What elements are (``hash:ip,port``), and whether each has a mark for packets."""

    type: str
    marks: bool = False


class Set(Enum):
    """What there is in each family."""

    FRONTENDS = "FRONTENDS"
    """Address and port: the mark of what is sent there."""
    INSIDE = "INSIDE"
    """The same for packets of the node and its own pods, where those have another."""
    NODE_PORTS = "NODE-PORTS"
    """Ports on all of ``NODE_PORT_ADDRESSES``: each twice, for the two halves of all addresses."""
    INSIDE_NODE_PORTS = "INSIDE-NODE-PORTS"
    NODE_PORT_ADDRESSES = "NODE-PORT-ADDRESSES"
    SOURCES = "SOURCES"
    """Address and port, and who may come there."""
    PODS = "PODS"
    CLUSTER_IPS = "CLUSTER-IPS"
    SERVICE_CIDRS = "SERVICE-CIDRS"
    HAIRPIN = "HAIRPIN"
    """Endpoints that a packet can come back to, twice."""
    VIRTUAL = "VIRTUAL"
    """Address and port of virtual services that are svcform's: IPVS has no place for a name."""

    def name_in(self, family: Family) -> str:
        """``SVCFORM-4-FRONTENDS``: at most 31 characters (``IPSET_MAXNAMELEN``)."""
        return f"{PREFIX}{4 if family is Family.IPV4 else 6}-{self.value}"


KINDS: Mapping[Set, Kind] = MappingProxyType(
    {
        Set.FRONTENDS: Kind("hash:ip,port", marks=True),
        Set.INSIDE: Kind("hash:ip,port", marks=True),
        Set.NODE_PORTS: Kind("hash:net,port", marks=True),
        Set.INSIDE_NODE_PORTS: Kind("hash:net,port", marks=True),
        Set.NODE_PORT_ADDRESSES: Kind("hash:ip"),
        Set.SOURCES: Kind("hash:ip,port,net"),
        Set.PODS: Kind("hash:net"),
        Set.CLUSTER_IPS: Kind("hash:ip"),
        Set.SERVICE_CIDRS: Kind("hash:net"),
        Set.HAIRPIN: Kind("hash:net,net"),
        Set.VIRTUAL: Kind("hash:ip,port"),
    }
)
#: Every address, for sets that take no network of length 0.
HALVES: Mapping[Family, tuple[str, str]] = MappingProxyType(
    {Family.IPV4: ("0.0.0.0/1", "128.0.0.0/1"), Family.IPV6: ("::/1", "8000::/1")}
)
