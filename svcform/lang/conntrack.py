"""The table that ``program/connections.sh`` reads: which UDP connections conntrack may keep.

``to FAMILY ADDRESS PORT`` (4 or 6; ``*`` for any address) is an original destination, the lines
``keep ADDRESS PORT`` behind it are where its clients may stay; destinations in a row share them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from svcform.model.net import Family

_NUMBERS = {Family.IPV4: 4, Family.IPV6: 6}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Original destinations (family, address or None, port) and the endpoints they may keep."""

    destinations: tuple[tuple[Family, str | None, int], ...]
    endpoints: tuple[tuple[str, int], ...] = ()


def write(table: Iterable[Kept]) -> bytes:
    """The table; addresses must be canonical, as conntrack prints them."""
    return "".join(line for kept in table for line in _lines(kept)).encode()


def _lines(kept: Kept) -> Iterable[str]:
    for family, address, port in kept.destinations:
        yield f"to {_NUMBERS[family]} {address or '*'} {port}\n"
    yield from (f"keep {address} {port}\n" for address, port in kept.endpoints)
    if not kept.endpoints:
        yield "keep nothing\n"
