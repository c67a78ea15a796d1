"""What is svcform's of DNS on the node, and what else has to be known there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType

from svcform.backends.contract import Probe, Reading
from svcform.backends.dns.coredns.objects import (
    COREFILE,
    Binary,
    File,
    Running,
    Start,
    record_address,
    text_digest,
)
from svcform.backends.dns.coredns.scripts import LOOK
from svcform.lang.zone.serial import highest
from svcform.lang.zone.text import ZoneFile, is_own_form
from svcform.lang.zone.text import read as read_zone
from svcform.model.facts import Facts
from svcform.plan.snapshot import NodeObject, ObjectAddress, Snapshot

PROBE = "coredns.files"


def probes() -> tuple[Probe, ...]:
    """One look."""
    return (Probe(name=PROBE, script=LOOK),)


def read(readings: Mapping[str, Reading], facts: Facts) -> Snapshot:  # noqa: ARG001 - the contract's
    """The zones, files and the service; a zone file that is none holds no records."""
    found: dict[ObjectAddress, NodeObject] = {}
    for name, text in files(readings):
        if name.endswith(".zone"):
            _add_zone(name.removesuffix("zone"), text, found)
        else:
            path = COREFILE if name == "Corefile" else name
            file = File(path, text, 0o755 if path.startswith("/etc/init.d/") else 0o644)
            found[file.address] = file
    for line in facts_of(readings, "binary"):
        path, _, digest = line.partition("\t")
        brought = Binary(path, digest)
        found[brought.address] = brought
    if any(True for _ in facts_of(readings, "running")):
        found[Running().address] = Running()
    return MappingProxyType(found)


def serial(readings: Mapping[str, Reading]) -> int:
    """The highest serial of the node's zones; 0 for none."""
    zones = (
        _parse(text, name.removesuffix("zone"))
        for name, text in files(readings)
        if name.endswith(".zone")
    )
    return highest(zone.serial for zone in zones if zone)


def _add_zone(origin: str, text: str, found: dict[ObjectAddress, NodeObject]) -> None:
    zone = _parse(text, origin)
    if zone is None:
        start = Start(origin, None, text_digest(text))
        found[start.address] = start
        return
    start = Start(origin, zone.soa, "" if is_own_form(text, origin, zone) else text_digest(text))
    found[start.address] = start
    for each in zone.records:
        found[record_address(origin, each.name, each.type)] = each


# The serials of all nodes are asked for before their snapshots are; equal nodes have equal files.
@lru_cache(maxsize=64)
def _parse(text: str, origin: str) -> ZoneFile | None:
    try:
        return read_zone(text, origin)
    except ValueError:
        return None


def files(readings: Mapping[str, Reading]) -> Iterator[tuple[str, str]]:
    """The files that the probe printed: name (a path, if it is not in the folder) and text."""
    lines = _lines(readings)
    position = 0
    while position < len(lines):
        words = lines[position].split("\t")
        position += 1
        if words[0] == "file" and len(words) == 3 and words[1].isdigit():
            end = position + int(words[1])
            yield words[2], "".join(f"{line}\n" for line in lines[position:end])
            position = end


def facts_of(readings: Mapping[str, Reading], kind: str) -> Iterator[str]:
    """What the probe said otherwise: the rest of each line of a kind."""
    lines = _lines(readings)
    position = 0
    while position < len(lines):
        word, _, rest = lines[position].partition("\t")
        position += 1
        if word == "file":
            position += int(rest.partition("\t")[0])
        elif word == kind:
            yield rest


def _lines(readings: Mapping[str, Reading]) -> list[str]:
    reading = readings.get(PROBE)
    text = reading.output.decode("utf-8", "surrogateescape") if reading else ""
    return text.removesuffix("\n").split("\n") if text else []
