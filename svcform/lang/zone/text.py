"""svcform's own form of a zone file: one record a line, names absolute, sorted; SOA first.

What CoreDNS polls is only read up to the SOA (1.15, plugin/file), so it comes first.  A line is
``NAME TTL IN TYPE RDATA``, and the lines behind the SOA stand in the order of their bytes: that is
what ``LC_ALL=C sort`` makes of them on a node.
"""

from __future__ import annotations

from typing import NamedTuple

from svcform.lang.zone.foreign import read_foreign
from svcform.lang.zone.serial import LAST
from svcform.model.zone import RecordSet, Soa, Zone

HEADER = "; svcform wrote this file; it is replaced as a whole."


class ZoneFile(NamedTuple):
    """What a zone file holds."""

    soa: Soa
    serial: int
    records: tuple[RecordSet, ...]


def soa_line(origin: str, soa: Soa, serial: int | str) -> str:
    """The line of the SOA."""
    times = f"{soa.refresh} {soa.retry} {soa.expire} {soa.minimum}"
    return f"{origin} {soa.ttl} IN SOA {soa.primary} {soa.mailbox} {serial} {times}"


def write(zone: Zone, serial: int) -> bytes:
    """The whole file; ``serial`` is 1 to 2**32 - 1."""
    lines = sorted(line for found in zone.records for line in found.lines())
    return "\n".join((HEADER, soa_line(zone.origin, zone.soa, serial), *lines, "")).encode()


def is_own_form(text: str, origin: str, found: ZoneFile) -> bool:
    """Whether a file that holds this is, byte for byte, as svcform writes it."""
    if not 0 < found.serial <= LAST:
        return False
    zone = Zone(origin=origin, soa=found.soa, records=found.records)
    return write(zone, found.serial) == text.encode("utf-8", "surrogateescape")


def read(text: str, origin: str) -> ZoneFile:
    """The SOA, the serial and the record sets, sorted.

    Somebody's own hand in the file may have left any syntax that a zone file can have.
    Raises ValueError for what is no zone of this origin.
    """
    try:
        return _read_own(text, origin)
    except ValueError:
        return ZoneFile(*read_foreign(text, origin))


def _read_own(text: str, origin: str) -> ZoneFile:
    """The form that svcform writes, read fast; ValueError for any other."""
    head, _, body = text.removeprefix(HEADER + "\n").partition("\n")
    soa, serial = _read_soa(head, origin)
    sets: dict[tuple[str, str, str], list[str]] = {}
    for line in body.splitlines():
        name, ttl, _, kind, rdata = _split(line)
        sets.setdefault((name, kind, ttl), []).append(rdata)
    records = [
        RecordSet(name, kind, int(ttl), tuple(sorted(rdatas)))
        for (name, kind, ttl), rdatas in sets.items()
    ]
    if len({found.key for found in records}) != len(records):
        raise ValueError("a record set has two TTLs")
    return ZoneFile(soa, serial, tuple(sorted(records)))


def _split(line: str) -> list[str]:
    words = line.split(" ", 4)
    if len(words) != 5 or words[2] != "IN" or not words[1].isdigit() or "(" in line:
        raise ValueError(f"not in svcform's form: {line!r}")
    if not words[0].endswith(".") or words[4] != words[4].strip() or ";" in line:
        raise ValueError(f"not in svcform's form: {line!r}")
    return words


def _read_soa(line: str, origin: str) -> tuple[Soa, int]:
    name, ttl, _, kind, rdata = _split(line)
    fields = rdata.split(" ")
    if name != origin or kind != "SOA" or len(fields) != 7:
        raise ValueError(f"no SOA of {origin} on the first line")
    serial, refresh, retry, expire, minimum = map(int, fields[2:])
    if not 0 <= serial <= LAST:
        raise ValueError(f"{serial} is no serial")
    soa = Soa(
        primary=fields[0],
        mailbox=fields[1],
        refresh=refresh,
        retry=retry,
        expire=expire,
        minimum=minimum,
        ttl=int(ttl),
    )
    return soa, serial
