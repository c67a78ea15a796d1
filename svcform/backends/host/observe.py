"""What is svcform's among the host's settings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from svcform.backends.contract import Probe, Reading, Status
from svcform.backends.host.objects import (
    BootUnit,
    HostObject,
    Module,
    OwnAddress,
    Route,
    Sysctl,
)
from svcform.backends.host.scripts import LOOK
from svcform.errors import ReadingFailed
from svcform.model.facts import Facts
from svcform.model.net import Family
from svcform.plan.snapshot import Snapshot

PROBE = "host.settings"
_SWAP = str.maketrans("./", "/.")


def probes() -> tuple[Probe, ...]:
    """One look at the record, and at what it and the routing tables say."""
    return (Probe(name=PROBE, script=LOOK),)


def read(readings: Mapping[str, Reading], facts: Facts) -> Snapshot:  # noqa: ARG001 - the contract
    """The settings that svcform made, with their values of now."""
    reading = readings[PROBE]
    if reading.status is not Status.READ:
        return {}
    lines = reading_lines(reading)
    found = [_object(line) for line in lines if not line.startswith("unit\t")]
    found += _units(line for line in lines if line.startswith("unit\t"))
    return {entry.address: entry for entry in found if entry is not None}


def own_addresses(readings: Mapping[str, Reading]) -> frozenset[str]:
    """The addresses that svcform gave the node: to nobody else they are the node's."""
    reading = readings.get(PROBE)
    lines = reading_lines(reading) if reading and reading.status is Status.READ else []
    words = (line.split("\t") for line in lines)
    return frozenset(word[1] for word in words if word[0] == "address" and len(word) > 1)


def reading_lines(reading: Reading) -> list[str]:
    """The lines that the probe printed."""
    return reading.output.decode(errors="replace").splitlines()


def _object(line: str) -> HostObject | None:
    match line.split("\t"):
        case ["sysctl", path, value, _]:
            return Sysctl(path.translate(_SWAP), value.strip())
        case ["module", name, options, _, "loaded"]:
            return Module(name, "" if options == "-" else options)
        case ["module", _, _, _, "gone"]:
            return None
        case ["address", text, _, _]:
            return OwnAddress(text)
        case ["route", key, rest, _]:
            return _route(key, rest)
    raise ReadingFailed(f"The host's settings can't be understood: {line!r}.")


def _units(lines: Iterable[str]) -> Iterator[BootUnit]:
    """A line for each file, and one for each of its lines, which a bar begins."""
    files: dict[str, tuple[str, bool]] = {}
    texts: dict[str, list[str]] = {}
    for line in lines:
        _, name, word, *rest = line.split("\t")
        if word in {"enabled", "disabled"} and len(rest) == 1:
            files[name] = (rest[0], word == "enabled")
        else:
            texts.setdefault(name, []).append("\t".join((word, *rest)).removeprefix("|"))
    for name, (path, enabled) in files.items():
        yield BootUnit(
            path, tuple(texts.get(name, ())), 0o755 if "init.d" in path else 0o644, enabled
        )


def _route(key: str, rest: str) -> Route:
    family, _, cidr = key.partition(" ")
    words = rest.split()
    source = words[words.index("src") + 1] if "src" in words[:-1] else ""
    return Route(Family(family), cidr if "/" in cidr else f"{cidr}/{_BITS[family]}", source)


_BITS = {"IPv4": 32, "IPv6": 128}
