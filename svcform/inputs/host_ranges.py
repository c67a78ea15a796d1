"""Host names of an inventory: ranges (``web[01:20:2]``) and ports (``web:2222``).

The rules are those of ansible-core 2.19, ``plugins/inventory/__init__.py`` and
``parsing/utils/addresses.py``.
"""

from __future__ import annotations

import re
from string import ascii_letters

_BRACKETED = re.compile(r"\[(?P<host>.+)\]:(?P<port>[0-9]+)")
_WITH_PORT = re.compile(r"(?P<host>(?:[^:\[\]]|\[[^\]]*\])*):(?P<port>[0-9]+)")
_RANGE = r"\[(?:{0})(?::[0-9]+)?\]"
_NUMBERS = _RANGE.format("[0-9]+:[0-9]+")
_LETTERS = _RANGE.format("[a-z]:[a-z]|[0-9]+:[0-9]+")
_LABEL = rf"(?:\w|{_LETTERS})(?:[\w-]|{_LETTERS})*(?<![_-])"
_HOSTNAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.IGNORECASE)
_PART = rf"(?:[01]?[0-9]{{1,2}}|2[0-4][0-9]|25[0-5]|{_NUMBERS})"
_IPV4 = re.compile(rf"(?:{_PART}\.){{3}}{_PART}")
_HEX = rf"(?:[0-9a-f]{{1,4}}|{_RANGE.format('[0-9a-f]+:[0-9a-f]+')})"
_IPV6 = re.compile(
    "|".join(
        (
            rf"(?:{_HEX}:){{7}}{_HEX}",
            rf"(?:{_HEX}:){{1,6}}:",
            *(rf"(?:{_HEX}:){{{n}}}(?::{_HEX}){{1,{7 - n}}}" for n in range(1, 7)),
            rf":(?::{_HEX}){{1,6}}",
            rf"{_HEX}?::",
            rf"(?:(?:0:){{6}}|::(?:ffff:)?|(?:0:){{5}}ffff:)(?:{_HEX}\.){{3}}{_HEX}",
        )
    ),
    re.IGNORECASE,
)


class BadRange(Exception):
    """A host range can't be expanded; the text says why, in a full sentence."""


def is_host(pattern: str) -> bool:
    """Whether Ansible takes the text for one host or range, with or without a port."""
    return split_port(pattern) is not None


def split_port(pattern: str) -> tuple[str, int | None] | None:
    """``web:2222`` gives ``("web", 2222)``; None for what Ansible doesn't take for a host."""
    host, port = pattern, None
    if found := _BRACKETED.fullmatch(pattern) or _WITH_PORT.fullmatch(pattern):
        host, port = found["host"], int(found["port"])
    if any(form.fullmatch(host) for form in (_IPV4, _IPV6, _HOSTNAME)):
        return host, port
    return None


def expand(pattern: str) -> tuple[list[str], int | None]:
    """The host names that a key of ``hosts`` stands for, and the port it gives them.

    Raises BadRange.
    """
    host, port = split_port(pattern) or (pattern, None)
    return (_expand_ranges(host) if "[" in host else [host]), port


def _expand_ranges(text: str) -> list[str]:
    head, _, rest = text.partition("[")
    inside, closed, tail = rest.partition("]")
    if not closed:
        raise BadRange(f"The host range {text!r} has no closing bracket.")
    names = [f"{head}{part}{tail}" for part in _parts(text, inside)]
    if "[" not in tail:
        return names
    return [expanded for name in names for expanded in _expand_ranges(name)]


def _parts(text: str, inside: str) -> list[str]:
    bounds = inside.split(":")
    if len(bounds) not in (2, 3):
        raise BadRange(f"The host range {text!r} must be [first:last] or [first:last:step].")
    first, last = bounds[0] or "0", bounds[1]
    step = _number(text, bounds[2] if len(bounds) == 3 else "1")
    if step < 1:
        raise BadRange(f"The host range {text!r} must have a step of at least 1.")
    if not last:
        raise BadRange(f"The host range {text!r} must have a last value.")
    if first[0] == "0" and len(first) > 1 and len(first) != len(last):
        raise BadRange(f"The host range {text!r} must write both ends with the same digits.")
    if first in ascii_letters and last in ascii_letters and len(first) == len(last) == 1:
        begin, end = ascii_letters.index(first), ascii_letters.index(last)
        if begin > end:
            raise BadRange(f"The host range {text!r} must begin before it ends.")
        return list(ascii_letters[begin : end + 1 : step])
    width = len(first) if first[0] == "0" and len(first) > 1 else 0
    numbers = range(_number(text, first), _number(text, last) + 1, step)
    if len(numbers) > 1_000_000:
        raise BadRange(f"The host range {text!r} has more than a million hosts.")
    return [str(number).zfill(width) for number in numbers]


def _number(text: str, digits: str) -> int:
    try:
        return int(digits)
    except ValueError:
        raise BadRange(f"The host range {text!r} needs numbers, or one letter each.") from None
