"""Names in DNS: labels of endpoints, reverse names and the zones that hold them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from svcform.model.net import Network

_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?").fullmatch
_NAME = re.compile(r"(?:(?:[-_a-z0-9]{1,63}|\*)\.)+").fullmatch

#: A name's bytes on the wire, its last empty label among them (RFC 1035 section 2.3.4).
LONGEST_NAME = 255
LONGEST_LABEL = 63


def is_label(text: str) -> bool:
    """Whether a text is a DNS label as Kubernetes has them (RFC 1123)."""
    return _LABEL(text) is not None


def is_name(name: str) -> bool:
    """Whether an absolute name can be in a zone; such a text needs no escapes in a zone file."""
    return len(name) < LONGEST_NAME and _NAME(name) is not None


def dashed(address: str) -> str:
    """The label of an address: ``10-0-0-1``, ``fd00--1``, ``fd00--0`` (as CoreDNS 1.15 has it)."""
    text = address.replace(".", "-").replace(":", "-")
    return text + "0" if text.endswith("-") else text


def endpoint_label(hostname: str, pod: str, address: str, *, pod_names: bool) -> str:
    """How an endpoint is called below its Service: hostname, pod (if asked for), address."""
    if hostname and is_label(hostname.lower()):
        return hostname.lower()
    if pod_names and pod and is_label(pod.lower()):
        return pod.lower()
    return dashed(address)


@lru_cache(maxsize=262144)
def reverse_name(address: str) -> str:
    """``17.0.96.10.in-addr.arpa.`` of a canonical address."""
    if ":" not in address:
        return ".".join(reversed(address.split("."))) + ".in-addr.arpa."
    digits = ipaddress.IPv6Address(address).exploded.replace(":", "")
    return ".".join(reversed(digits)) + ".ip6.arpa."


def reverse_zones(cidrs: Iterable[str]) -> tuple[str, ...]:
    """The zones that hold all addresses of some CIDRs and no other address, sorted.

    Reverse zones end at octets (IPv4) and nibbles (IPv6): 10.96.0.0/12 are 16 zones.  CIDRs that
    fill a larger zone together become that one: servers look through their zones one by one.
    """
    found: list[str] = []
    for version in (4, 6):
        networks = {n for n in map(ipaddress.ip_network, cidrs) if n.version == version}
        for network in ipaddress.collapse_addresses(sorted(networks)):  # type: ignore[type-var] # one version
            found += map(_zone_of, _aligned(network))
    return tuple(sorted(found))


def _aligned(network: Network) -> Iterator[Network]:
    step = 8 if network.version == 4 else 4
    return iter(network.subnets(new_prefix=-(-network.prefixlen // step) * step))


def _zone_of(network: Network) -> str:
    labels = network.prefixlen // (8 if network.version == 4 else 4)
    name = reverse_name(str(network.network_address))
    total = 4 if network.version == 4 else 32
    return name.split(".", total - labels)[-1]


def enclosing(name: str, origins: frozenset[str]) -> str | None:
    """The innermost of the zones that a name is in; None outside of all of them."""
    while name:
        if name in origins:
            return name
        name = name.partition(".")[2]
    return None
