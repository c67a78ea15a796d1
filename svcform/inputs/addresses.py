"""Addresses and CIDRs as Kubernetes reads them: leniently, and made canonical."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from functools import lru_cache

from svcform.model.net import Address, Network

_octet = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_canonical_ipv4 = re.compile(rf"(?:{_octet}\.){{3}}{_octet}").fullmatch
# The bulk of 100,000 endpoints: canonical, and nothing that `is_special` would name.
_ordinary_ipv4 = re.compile(
    rf"(?!0\.|127\.|169\.254\.|22[4-9]\.|23[0-9]\.)(?:{_octet}\.){{3}}{_octet}"
).fullmatch
_leading_zeros = re.compile(r"(?<![0-9a-fA-F:])0+(?=[0-9]+(?:\.|/|$))")


def parse_address(text: str) -> Address | None:
    """An address, or None for what isn't one.

    Leading zeros are decimal (Go's ``ParseIPSloppy``, KEP-4858), and an IPv4 address that is mapped
    into IPv6 is the IPv4 address.  A scope (``%eth0``) is no part of an address.
    """
    try:
        found = ipaddress.ip_address(_leading_zeros.sub("", text) if "." in text else text)
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address):
        return None if found.scope_id else found.ipv4_mapped or found
    return found


@lru_cache(maxsize=262144)
def canonical_address(text: str) -> str | None:
    """The canonical text of an address, or None for what isn't one."""
    if _canonical_ipv4(text):
        return text
    found = parse_address(text)
    return None if found is None else str(found)


def endpoint_address(text: str) -> tuple[str | None, str]:
    """An endpoint's canonical address, and what is wrong with it (empty if nothing is).

    As the API server, it takes no address that means the node itself or its link.
    """
    if _ordinary_ipv4(text):
        return text, ""
    address = parse_address(text)
    if address is None:
        return None, "is no IP address"
    special = is_special(address)
    return str(address), f"is {special}" if special else ""


def parse_cidr(text: str) -> Network | None:
    """A CIDR with its host bits cleared, or None for what isn't one; spaces around it are cut."""
    address, slash, length = text.strip().partition("/")
    found = parse_address(address)
    if found is None or not slash or not length.isascii() or not length.isdigit():
        return None
    bits = int(length)
    if found.version == 4 and ":" in address:  # ::ffff:10.0.0.0/104 is 10.0.0.0/8
        bits -= 96
    if not 0 <= bits <= found.max_prefixlen:
        return None
    return ipaddress.ip_network((found, bits), strict=False)


def source_ranges(cidrs: Iterable[Network]) -> tuple[str, ...]:
    """What ``loadBalancerSourceRanges`` comes down to: canonical, subsumed ones dropped, sorted.

    A ``/0`` lets everybody of its family in, so nothing of that family is left (kube-proxy v1.36
    ``pkg/proxy/serviceport.go``).
    """
    networks = set(cidrs)
    open_versions = {network.version for network in networks if network.prefixlen == 0}
    left: list[Network] = []
    for network in sorted(networks, key=lambda n: (n.version, int(n.network_address), n.prefixlen)):
        if network.version in open_versions:
            continue
        last = left[-1] if left else None
        if last is None or last.version != network.version or not _contains(last, network):
            left.append(network)
    return tuple(map(str, left))


def _contains(outer: Network, inner: Network) -> bool:
    return outer.network_address <= inner.network_address <= outer.broadcast_address  # type: ignore[operator] # same version


def is_special(address: Address) -> str:
    """Why nobody outside can reach this address, in a word; empty for an ordinary address."""
    if address.is_unspecified:
        return "unspecified"
    if address.is_loopback:
        return "a loopback address"
    if address.is_link_local:
        return "link-local"
    if address.is_multicast:
        return "a multicast address"
    return ""
