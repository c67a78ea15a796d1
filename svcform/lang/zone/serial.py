"""Serial numbers of zones: RFC 1982 arithmetic, and never 0.

Serial 0 is read by a running CoreDNS and refused when it starts (1.15).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce

_MODULUS = 1 << 32
LAST = _MODULUS - 1
"""The largest serial; 1 comes behind it."""
_HALF = 1 << 31


def is_later(one: int, other: int) -> bool:
    """Whether a serial comes after another one (RFC 1982 section 3.2)."""
    return one != other and (one - other) % _MODULUS < _HALF


def following(serial: int, steps: int = 1) -> int:
    """The serial so many steps later; 0 is stepped over."""
    later = (serial + steps) % _MODULUS
    # From 4294967295 on there is one step less to make.
    return later + 1 if later < steps else later


def highest(serials: Iterable[int]) -> int:
    """The latest of some serials; 0 for none."""
    return reduce(lambda a, b: b if a == 0 or (b and is_later(b, a)) else a, serials, 0)
