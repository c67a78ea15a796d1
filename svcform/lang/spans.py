"""Sets of numbers as spans: addresses or ports, judged all at once instead of by samples."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice

#: Inclusive spans, ascending, with a gap between neighbours.
Spans = tuple[tuple[int, int], ...]


@lru_cache(maxsize=65536)
def of_cidr(cidr: str) -> Spans:
    """The addresses of a CIDR, or the one address, as numbers."""
    network = ipaddress.ip_network(cidr)
    return ((int(network[0]), int(network[-1])),)


def of_addresses(addresses: Iterable[str]) -> Spans:
    """Addresses of one family, or CIDRs of it, together."""
    return union(span for address in addresses for span in of_cidr(address))


def union(spans: Iterable[tuple[int, int]]) -> Spans:
    """Spans in any order, as one set."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(spans):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    return tuple(merged)


def meet(one: Spans, other: Spans) -> Spans:
    """What is in both."""
    return tuple(
        (max(low, bottom), min(high, top))
        for low, high in one
        for bottom, top in other
        if max(low, bottom) <= min(high, top)
    )


def without(one: Spans, other: Spans) -> Spans:
    """What is in the first and not in the second."""
    left = list(one)
    for bottom, top in other:
        left = [
            part
            for low, high in left
            for part in ((low, min(high, bottom - 1)), (max(low, top + 1), high))
            if part[0] <= part[1]
        ]
    return tuple(left)


def cidrs(spans: Spans, bits: int) -> Iterator[str]:
    """The fewest CIDRs that hold the addresses; one address is written without its length."""
    make = ipaddress.IPv4Address if bits == 32 else ipaddress.IPv6Address
    for low, high in spans:
        for network in ipaddress.summarize_address_range(make(low), make(high)):
            yield str(network.network_address if network.prefixlen == bits else network)


def first(part: Spans, whole: Spans, bits: int) -> str:
    """The few first CIDRs of a part, for people; empty where it is the whole."""
    if part == whole:
        return ""
    listed = list(islice(cidrs(part, bits), 4))
    return ", ".join(listed[:3]) + (" and others" if len(listed) > 3 else "")
