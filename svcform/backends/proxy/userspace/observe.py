"""What is svcform's of userspace mode on a node, and what it has to run it with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from svcform.backends.contract import Probe, Reading
from svcform.backends.proxy.userspace.objects import (
    Endpoint,
    File,
    Health,
    Listening,
    ProxyObject,
    Running,
    Server,
    folder_of,
    service_file,
)
from svcform.backends.proxy.userspace.scripts import LOOK
from svcform.lang import haproxy, nginx
from svcform.lang.listener import Listener
from svcform.model.facts import Facts
from svcform.plan.snapshot import NodeObject, ObjectAddress, Snapshot

PROBE = "userspace.files"


class Found(NamedTuple):
    """A file of a server's, its name relative to the server's folder; or, with None, a unit's."""

    server: Server | None
    name: str
    text: str

    @property
    def path(self) -> str:
        """The whole path."""
        return f"{folder_of(self.server)}/{self.name}" if self.server else self.name


def probes() -> tuple[Probe, ...]:
    """One look."""
    return (Probe(name=PROBE, script=LOOK),)


def read(readings: Mapping[str, Reading], facts: Facts) -> Snapshot:  # noqa: ARG001 - the contract's
    """Listeners, endpoints, main files, units, and whether the servers run.

    A file that holds anything else than svcform writes is an object of its own.
    """
    found: dict[ObjectAddress, NodeObject] = {}
    for each in files(readings):
        for entry in _objects(each):
            found[entry.address] = entry
    for line in facts_of(readings, "running"):
        name, _, state = line.partition("\t")
        running = Running(Server(name), state == "current")
        found[running.address] = running
    return MappingProxyType(found)


def _objects(found: Found) -> list[ProxyObject]:
    server = found.server
    if server is None or not found.name.startswith("services/"):
        return [File(found.path, found.text, 0o755 if "/init.d/" in found.path else 0o644)]
    try:
        objects = _parsed(server, found.text)
    except ValueError:
        objects = []
    if {file_of(server, entry) for entry in objects} != {found.name}:
        return [File(found.path, found.text)]
    return objects


def _parsed(server: Server, text: str) -> list[ProxyObject]:
    if server is Server.NGINX:
        return [entry for listener in nginx.parse(text) for entry in _entries(listener)]
    listeners, checks = haproxy.parse(text)
    objects = [entry for listener in listeners for entry in _entries(listener)]
    objects += [health_of(check) for check in checks]
    return objects


def _entries(listener: Listener) -> Iterator[ProxyObject]:
    name = listener.name
    if name.count(".") != _DOTS:
        raise ValueError(f"not a name of svcform's: {name!r}")
    place = (listener.address, listener.port)
    yield Listening(name, place, listener.affinity_seconds, listener.affinity_entries)
    yield from (Endpoint(name, endpoint) for endpoint in listener.endpoints)


#: Of a listener's name: family, protocol, namespace, Service, port, number.
_DOTS = 5


def health_of(check: haproxy.Check) -> Health:
    """An answer as an object."""
    _, namespace, service = check.name.split(".")
    return Health(f"{namespace}/{service}", check.port, check.endpoints, check.ipv6)


def file_of(server: Server, entry: ProxyObject) -> str:
    """The file, in a server's folder, in which a Service's object stands; empty for others."""
    if isinstance(entry, Health):
        namespace, _, service = entry.service.partition("/")
        return service_file(server, namespace, service)
    if isinstance(entry, Listening | Endpoint):
        name = entry.name if isinstance(entry, Listening) else entry.listener
        _, _, namespace, service, _, _ = name.split(".")
        return service_file(server, namespace, service)
    return ""


def open_files(readings: Mapping[str, Reading]) -> int:
    """How many files root may let a process open; 0 where that isn't known."""
    said = next(facts_of(readings, "open-files"), "")
    return int(said) if said.isdecimal() else 0


def files(readings: Mapping[str, Reading]) -> Iterator[Found]:
    """The files that the probe printed."""
    head: list[str] = []
    lines: list[str] = []
    for line in [*_lines(readings), ""]:
        if line.startswith("|"):
            lines.append(f"{line[1:]}\n")
            continue
        if head[:1] == ["file"]:
            yield Found(Server(head[1]), head[2].removeprefix("./"), "".join(lines))
        elif head[:1] == ["unit"]:
            yield Found(None, head[1], "".join(lines))
        head, lines = line.split("\t", 2), []


def facts_of(readings: Mapping[str, Reading], kind: str) -> Iterator[str]:
    """What the probe said otherwise: the rest of each line of a kind."""
    for line in _lines(readings):
        word, _, rest = line.partition("\t")
        if word == kind:
            yield rest


def _lines(readings: Mapping[str, Reading]) -> list[str]:
    reading = readings.get(PROBE)
    text = reading.output.decode("utf-8", "surrogateescape") if reading else ""
    return text.removesuffix("\n").split("\n") if text else []
