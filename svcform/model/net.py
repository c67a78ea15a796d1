"""Addresses, families and protocols, in the words of Kubernetes' API."""

from __future__ import annotations

import ipaddress
from enum import Enum
from functools import lru_cache

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Family(Enum):
    """An IP family, spelt as in ``ipFamilies``."""

    IPV4 = "IPv4"
    IPV6 = "IPv6"

    @property
    def bits(self) -> int:
        """How many bits an address has."""
        return 32 if self is Family.IPV4 else 128


class Protocol(Enum):
    """A transport protocol, spelt as in ``ports[].protocol``."""

    TCP = "TCP"
    UDP = "UDP"
    SCTP = "SCTP"


@lru_cache(maxsize=262144)
def family_of(address: str) -> Family:
    """The family of a canonical address or CIDR."""
    return Family.IPV6 if ":" in address else Family.IPV4


def endpoint_text(address: str, port: int) -> str:
    """``10.0.0.1:80`` or ``[fd00::1]:80``."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
