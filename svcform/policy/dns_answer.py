"""What a server with these zones answers (RFC 1034 section 4.3.2, RFC 4592 for wildcards)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from svcform.model.zone import RecordSet, Soa, Zone, Zones

_LONGEST_CHAIN = 10


class Answer(NamedTuple):
    """One answer; ``soa`` is that of the zone that says no (origin and values), else None."""

    rcode: str
    answer: tuple[RecordSet, ...] = ()
    soa: tuple[str, Soa] | None = None
    additional: tuple[RecordSet, ...] = ()


def answer(zones: Zones, name: str, kind: str) -> Answer:
    """The answer to a question; ``name`` is absolute, ``kind`` a type in upper case.

    An alias is followed inside of the zones.  A name in none of them is refused: whether others
    are asked for it is up to the node's settings.
    """
    indexes = {zone.origin: _Index(zone) for zone in zones.zones}
    found: list[RecordSet] = []
    wanted = name.lower()
    for _ in range(_LONGEST_CHAIN):
        index = _innermost(indexes, wanted)
        if index is None:
            return Answer("NOERROR" if found else "REFUSED", tuple(found))
        if kind == "SOA" and wanted == index.zone.origin:
            return Answer("NOERROR", tuple(found), (index.zone.origin, index.zone.soa))
        match = index.find(wanted)
        if match is None:
            return Answer("NXDOMAIN", tuple(found), (index.zone.origin, index.zone.soa))
        if kind in match:
            found.append(match[kind]._replace(name=wanted))
            extra = _targets(indexes, match[kind]) if kind in {"SRV", "NS"} else ()
            return Answer("NOERROR", tuple(found), additional=tuple(extra))
        if "CNAME" not in match:
            return Answer("NOERROR", tuple(found), (index.zone.origin, index.zone.soa))
        found.append(match["CNAME"]._replace(name=wanted))
        wanted = match["CNAME"].rdatas[0]
    return Answer("SERVFAIL")


class _Index:
    """A zone by name; empty non-terminals are there, too."""

    def __init__(self, zone: Zone) -> None:
        self.zone = zone
        self._names: dict[str, dict[str, RecordSet]] = {zone.origin: {}}
        for found in zone.records:
            self._names.setdefault(found.name, {})[found.type] = found
        for name in list(self._names):
            parent = name.partition(".")[2]
            while len(parent) > len(zone.origin) and parent not in self._names:
                self._names[parent] = {}
                parent = parent.partition(".")[2]

    def find(self, name: str) -> dict[str, RecordSet] | None:
        """The record sets of a name by type, or of the wildcard that covers it."""
        if name in self._names:
            return self._names[name]
        encloser = name.partition(".")[2]
        while encloser not in self._names:
            encloser = encloser.partition(".")[2]
        return self._names.get(f"*.{encloser}")


def _innermost(indexes: dict[str, _Index], name: str) -> _Index | None:
    while name:
        if name in indexes:
            return indexes[name]
        name = name.partition(".")[2]
    return None


def _targets(indexes: dict[str, _Index], found: RecordSet) -> Iterable[RecordSet]:
    """The addresses of what records lead to, as far as the zones have them."""
    for target in dict.fromkeys(rdata.rpartition(" ")[2] for rdata in found.rdatas):
        index = _innermost(indexes, target)
        match = index.find(target) if index else None
        yield from (match[kind] for kind in ("A", "AAAA") if match and kind in match)
