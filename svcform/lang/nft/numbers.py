"""Numbers as nft writes them: handles of traffic control, times."""

from __future__ import annotations

import re

_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_PARTS = re.compile(r"(\d+)([dhms])")


def handle(value: int) -> str:
    """A packet's priority, as ``major:minor``; 0 is ``none``."""
    return f"{value >> 16:x}:{value & 0xFFFF:x}" if value else "none"


def number(text: str) -> int:
    """A handle, or a decimal or hexadecimal number."""
    if text == "none":
        return 0
    if text == "root":
        return 0xFFFFFFFF
    major, colon, minor = text.partition(":")
    if colon:
        return int(major or "0", 16) << 16 | int(minor or "0", 16)
    return int(text, 0)


def seconds(text: str) -> int:
    """A time such as ``3h``, ``1d2h30m`` or ``10800s``."""
    return sum(int(count) * _UNITS[unit] for count, unit in _PARTS.findall(text))
