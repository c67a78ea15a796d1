"""Addresses as numbers."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from svcform.model.net import Family, family_of


def number(address: str, family: Family) -> int:
    """A canonical address as a number."""
    if family is Family.IPV4:
        # Four times faster than ipaddress, which checks what is canonical here.
        a, b, c, d = map(int, address.split("."))
        return a << 24 | b << 16 | c << 8 | d
    return int(ipaddress.IPv6Address(address))


def cidr(prefix: int, length: int, family: Family) -> str:
    """The CIDR of all addresses that begin with the first ``length`` bits of ``prefix``."""
    if family is Family.IPV4:
        return f"{ipaddress.IPv4Address(prefix)}/{length}"
    return f"{ipaddress.IPv6Address(prefix)}/{length}"


def contains(cidrs: Iterable[str], address: str) -> bool:
    """Whether an address (or none, as an empty text) is in one of the CIDRs."""
    if not address:
        return False
    parsed = ipaddress.ip_address(address)
    return any(parsed in _network(c) for c in cidrs if family_of(c) is family_of(address))


def collapse(numbers: Sequence[int], bits: int) -> Iterator[tuple[int, int]]:
    """The fewest (prefix, length) that hold just these numbers, which are ascending."""
    position = 0
    while position < len(numbers):
        first = numbers[position]
        size = 1
        while (
            first % (2 * size) == 0
            and position + 2 * size <= len(numbers)
            and numbers[position + 2 * size - 1] == first + 2 * size - 1
        ):
            size *= 2
        yield first, bits - (size.bit_length() - 1)
        position += size


@lru_cache(maxsize=4096)
def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(text)
