"""All that is svcform's of its servers on a node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from svcform.backends.contract import Probe, Reading
from svcform.backends.proxy.userspace.objects import (
    NAME,
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
from svcform.backends.proxy.userspace.scripts import SCRIPTS
from svcform.lang import haproxy, nginx
from svcform.lang.listener import Listener
from svcform.plan.snapshot import NodeObject, ObjectAddress, Snapshot


class Found(NamedTuple):
    """A file of a server's, its name relative to the server's folder; or, with None, a unit's."""

    server: Server | None
    name: str
    text: str
    backend: str

    @property
    def path(self) -> str:
        """The whole path."""
        return f"{folder_of(self.server)}/{self.name}" if self.server else self.name


def probe_name(backend: str) -> str:
    """What the look at a backend's servers is called."""
    return f"{backend}.files"


def probes(backend: str) -> tuple[Probe, ...]:
    """One look."""
    return (Probe(name=probe_name(backend), script=SCRIPTS[backend].look),)


def read(readings: Mapping[str, Reading], backend: str) -> Snapshot:
    """Listeners, endpoints, answers, main files, units, and whether the servers run.

    A file that holds anything else than svcform writes is an object of its own.
    """
    found: dict[ObjectAddress, NodeObject] = {}
    for each in files(readings, backend):
        for entry in _objects(each):
            found[entry.address] = entry
    for line in facts_of(readings, "running", backend):
        name, _, state = line.partition("\t")
        running = Running(Server(name), state == "current")
        found[running.address] = running
    return MappingProxyType(found)


def _objects(found: Found) -> list[ProxyObject]:
    server = found.server
    if server is None or not found.name.startswith("services/"):
        mode = 0o755 if "/init.d/" in found.path else 0o644
        return [File(found.path, found.text, mode, found.backend)]
    try:
        objects = _parsed(server, found.text)
        is_own = {place_of(entry) for entry in objects} == {(server, found.name)}
    except ValueError:
        is_own = False
    return [*objects] if is_own else [File(found.path, found.text, backend=found.backend)]


def _parsed(server: Server, text: str) -> list[Listening | Endpoint | Health]:
    if server is Server.NGINX:
        return [entry for listener in nginx.parse(text) for entry in _entries(listener)]
    if server is Server.HEALTH:
        return [_health(check) for check in haproxy.parse_checks(text)]
    return [entry for listener in haproxy.parse(text) for entry in _entries(listener)]


def _entries(listener: Listener) -> Iterator[Listening | Endpoint]:
    name = listener.name
    if name.count(".") != _DOTS:
        raise ValueError(f"not a name of svcform's: {name!r}")
    place = (listener.address, listener.port)
    yield Listening(name, place, listener.affinity_seconds, listener.affinity_entries)
    yield from (Endpoint(name, endpoint) for endpoint in listener.endpoints)


#: Of a listener's name: family, protocol, namespace, Service, port, number.
_DOTS = 5


def _health(check: haproxy.Check) -> Health:
    _, namespace, service = check.name.split(".")
    return Health(
        f"{namespace}/{service}", check.port, check.endpoints, check.addresses, check.ipv6
    )


def place_of(entry: Listening | Endpoint | Health) -> tuple[Server, str]:
    """The server, and the file in its folder, in which a Service's object stands."""
    if isinstance(entry, Health):
        namespace, _, service = entry.service.partition("/")
        return Server.HEALTH, service_file(Server.HEALTH, namespace, service)
    return _place(entry.name if isinstance(entry, Listening) else entry.listener)


@lru_cache(maxsize=1 << 15)
def _place(name: str) -> tuple[Server, str]:
    _, protocol, namespace, service, _, _ = name.split(".")
    server = Server.NGINX if protocol == "UDP" else Server.HAPROXY
    return server, service_file(server, namespace, service)


def files(readings: Mapping[str, Reading], backend: str) -> Iterator[Found]:
    """The files that the probe printed."""
    head: list[str] = []
    lines: list[str] = []
    for line in [*_lines(readings, backend), ""]:
        if line.startswith("|"):
            lines.append(f"{line[1:]}\n")
            continue
        if head[:1] == ["file"]:
            yield Found(Server(head[1]), head[2].removeprefix("./"), "".join(lines), backend)
        elif head[:1] == ["unit"]:
            yield Found(None, head[1], "".join(lines), backend)
        head, lines = line.split("\t", 2), []


def facts_of(readings: Mapping[str, Reading], kind: str, backend: str = NAME) -> Iterator[str]:
    """What the probe said otherwise: the rest of each line of a kind."""
    for line in _lines(readings, backend):
        word, _, rest = line.partition("\t")
        if word == kind:
            yield rest


def _lines(readings: Mapping[str, Reading], backend: str) -> list[str]:
    reading = readings.get(probe_name(backend))
    text = reading.output.decode("utf-8", "surrogateescape") if reading else ""
    return text.removesuffix("\n").split("\n") if text else []
