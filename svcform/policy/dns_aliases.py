"""ExternalName Services: where their names lead, inside of the zone."""

from __future__ import annotations

import ipaddress
from collections.abc import Container, Mapping
from enum import Enum

#: A chain of more CNAMEs is not followed inside of a zone (CoreDNS 1.15, plugin/file).
LONGEST_CHAIN = 9


class Alias(Enum):
    """What becomes of an ExternalName."""

    CNAME = "CNAME"
    LITERAL = "literal"
    """An IP address, which is no name: there is no record."""
    RING = "ring"
    """It leads back to itself: the name exists and has no data."""
    TOO_LONG = "too long"
    """It leads over too many others: the same."""
    MISSING = "missing"
    """It leads to a name of the zone that has no record: the same."""


def target_name(external_name: str) -> str:
    """The absolute name of ``externalName``; empty for an IP address."""
    try:
        ipaddress.ip_address(external_name.rstrip("."))
    except ValueError:
        return external_name.rstrip(".").lower() + "."
    return ""


def judge(
    name: str, aliases: Mapping[str, str], owners: Container[str], zone: str, below: str = ""
) -> tuple[Alias, str]:
    """What an alias is, and the name at which it ends.

    ``aliases`` are all of the zone's, name to target (empty for a literal), ``owners`` the names
    that have other records.  ``below`` is another zone, which answers for itself.
    """
    if not aliases[name]:
        return Alias.LITERAL, ""
    seen = {name}
    target = aliases[name]
    while target in aliases:
        if target in seen:
            return Alias.RING, target
        if len(seen) >= LONGEST_CHAIN:
            return Alias.TOO_LONG, target
        seen.add(target)
        target = aliases[target]
    inside = not target or f".{target}".endswith(f".{zone}")
    inside = inside and not (below and f".{target}".endswith(f".{below}"))
    if inside and target not in owners:
        return Alias.MISSING, target
    return Alias.CNAME, target
