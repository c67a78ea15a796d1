"""Ranges of addresses and ports to allocate from, and the order in which they are tried."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import gcd
from types import MappingProxyType

from svcform.model.net import Family, family_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranges:
    """Where a project allocates: the settings of its plays.

    ``service_cidrs`` and the entries of pools are canonical; a pool's entry is a CIDR, an address,
    or ``first-last``.
    """

    service_cidrs: tuple[str, ...] = ()
    node_port_range: tuple[int, int] = (30000, 32767)
    load_balancer_pools: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: MappingProxyType({})
    )


@dataclass(frozen=True, slots=True)
class NumberRange:
    """Inclusive stretches of numbers, in order and apart.

    The first ``reserved`` of them are tried last: they are for people.  With ``family`` the numbers
    stand for addresses, without for ports.
    """

    stretches: tuple[tuple[int, int], ...]
    reserved: int = 0
    family: Family | None = None

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return sum(last - first + 1 for first, last in self.stretches)

    def __contains__(self, text: str) -> bool:
        """Whether an address or port is inside."""
        number = _number(text)
        return any(first <= number <= last for first, last in self.stretches)

    def candidates(self, seed: str) -> Iterator[str]:
        """Every address or port once, in an order that only ``seed`` decides.

        Double hashing over the upper band, so that nearly full ranges don't clump; then the lower
        band from its top.
        """
        upper = self.size - self.reserved
        if upper <= 0:
            return
        digest = hashlib.sha256(seed.encode()).digest()
        start = int.from_bytes(digest[:16]) % upper
        step = int.from_bytes(digest[16:]) % upper or 1
        while gcd(step, upper) != 1:
            step += 1
        for turn in range(upper):
            yield self._text(self.reserved + (start + turn * step) % upper)
        for offset in reversed(range(self.reserved)):
            yield self._text(offset)

    def _text(self, offset: int) -> str:
        for first, last in self.stretches:
            if offset <= last - first:
                return self._format(first + offset)
            offset -= last - first + 1
        raise IndexError(offset)

    def _format(self, number: int) -> str:
        if self.family is None:
            return str(number)
        if self.family is Family.IPV4:
            return str(ipaddress.IPv4Address(number))
        return str(ipaddress.IPv6Address(number))


def service_range(cidrs: Iterable[str], family: Family) -> NumberRange:
    """Where clusterIPs of a family are allocated.

    Without the network's own address and IPv4's broadcast address; the low band is as large as
    Kubernetes has it (KEP-3070).
    """
    stretches = []
    for cidr in cidrs:
        if family_of(cidr) is family:
            network = ipaddress.ip_network(cidr)
            last = int(network.broadcast_address) - (1 if family is Family.IPV4 else 0)
            stretches.append((int(network.network_address) + 1, last))
    return _banded(_apart(stretches), family)


def port_range(bounds: tuple[int, int]) -> NumberRange:
    """Where node ports are allocated (KEP-3668)."""
    return _banded((bounds,), None)


def pool_range(entries: Iterable[str], family: Family) -> NumberRange:
    """Where the addresses of a load-balancer pool are: all of them, with no band for people."""
    stretches = []
    for entry in entries:
        if family_of(entry) is family:
            first, dash, last = entry.partition("-")
            if dash:
                stretches.append((_number(first.strip()), _number(last.strip())))
            else:
                network = ipaddress.ip_network(entry)
                stretches.append((int(network.network_address), int(network.broadcast_address)))
    return NumberRange(_apart(stretches), 0, family)


def _banded(stretches: tuple[tuple[int, int], ...], family: Family | None) -> NumberRange:
    size = NumberRange(stretches).size
    reserved = min(max(16, size // 16), 256)
    return NumberRange(stretches, reserved if size > reserved else 0, family)


def _apart(stretches: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Sorted, with no overlap and nothing empty."""
    merged: list[tuple[int, int]] = []
    for first, last in sorted(stretches):
        start = max(first, merged[-1][1] + 1) if merged else first
        if start <= last:
            merged.append((start, last))
    return tuple(merged)


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else int(ipaddress.ip_address(text))
