"""Changes in, whole files of the Services concerned out.

Listeners come before the rules lead to them, and go after: where some go, the file first keeps them
beside what comes, and loses them when the rules have switched.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from svcform.backends.contract import RenderInput
from svcform.backends.proxy.userspace.objects import (
    NAME,
    Endpoint,
    File,
    Health,
    Listening,
    Running,
    Server,
    folder_of,
)
from svcform.backends.proxy.userspace.observe import files, place_of
from svcform.backends.proxy.userspace.scripts import FINGERPRINT, SCRIPTS
from svcform.lang import haproxy, nginx
from svcform.lang.listener import Listener
from svcform.plan.diff import Change
from svcform.plan.snapshot import Snapshot
from svcform.program.program import Fingerprint, Phase, Program, Step


def render(inputs: RenderInput, backend: str) -> Program:
    """The steps, their undo, and the fingerprint; nothing at all for no changes."""
    if not inputs.changes:
        return Program()
    return Program(
        steps=tuple(_steps(inputs.changes, inputs.live, inputs.wanted, _PATIENCE)),
        undo=tuple(
            _steps(
                [Change(c.address, c.after, c.before) for c in inputs.changes],
                inputs.wanted,
                inputs.live,
            )
        ),
        fingerprints=(_fingerprint(inputs, backend),),
    )


#: Seconds that what is under way has when a server goes, at most: ``drain`` of common.sh.
_PATIENCE = 5


@dataclass(slots=True)
class _Work:
    """What changes of one server: Services' files by name, and other files that come and go."""

    server: Server
    services: set[str] = field(default_factory=set)
    files: list[File] = field(default_factory=list)
    units: list[File] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    gone_units: list[str] = field(default_factory=list)
    has_changed: bool = False


@dataclass(slots=True)
class _Content:
    """What is in a Service's file."""

    listeners: dict[str, Listening] = field(default_factory=dict)
    endpoints: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    checks: dict[str, Health] = field(default_factory=dict)

    def with_those_of(self, other: _Content) -> _Content:
        """All of it, and what only the other one has: listeners with endpoints, answers."""
        return _Content(
            other.listeners | self.listeners,
            other.endpoints | self.endpoints,
            other.checks | self.checks,
        )

    def loses(self, other: _Content) -> bool:
        """Whether it listens where the other one doesn't."""
        mine = {name: found.place for name, found in self.listeners.items()}
        theirs = {name: found.place for name, found in other.listeners.items()}
        return bool(mine.keys() - theirs.keys() or self.checks.keys() - other.checks.keys())


def _steps(
    changes: Sequence[Change], before: Snapshot, after: Snapshot, patience: int = 0
) -> Iterator[Step]:
    for server, work in _sort(changes).items():
        if not work.has_changed:
            continue
        if Running(server).address not in after:
            if patience and server.backend == NAME and Running(server).address in before:
                drained = [f"act\t{server.value}\tdrain"]
                yield _step(server, Phase.SWITCH, "ends what is under way", drained, patience)
            yield _step(server, Phase.BREAK, "stops", list(_dismantle(work)))
            continue
        yield from _serve(work, before, after)


def _sort(changes: Iterable[Change]) -> Mapping[Server, _Work]:
    works = {server: _Work(server) for server in Server}
    for change in changes:
        found = change.after if change.after is not None else change.before
        if isinstance(found, Listening | Endpoint | Health):
            server, name = place_of(found)
            works[server].services.add(name)
            works[server].has_changed = True
        elif isinstance(found, Running):
            works[found.server].has_changed = True
        elif isinstance(found, File):
            for work in works.values():
                _sort_file(work, found, comes=change.after is not None)
    return works


def _sort_file(work: _Work, file: File, *, comes: bool) -> None:
    folder = f"{folder_of(work.server)}/"
    if file.path.startswith(folder):
        work.has_changed = True
        if comes:
            work.files.append(file)
        else:
            work.gone.append(file.path.removeprefix(folder))
    elif work.server.unit in file.path:
        work.has_changed = True
        if comes:
            work.units.append(file)
        else:
            work.gone_units.append(file.path)


def _serve(work: _Work, before: Snapshot, after: Snapshot) -> Iterator[Step]:
    old, new = (_contents(work, snapshot) for snapshot in (before, after))
    server, first, last = work.server, list[str](), list[str]()
    for file in work.files:
        first += _file(server, file.path.removeprefix(f"{folder_of(server)}/"), file.text)
    for name in sorted(work.services):
        was, becomes = old[name], new[name]
        if was.loses(becomes):
            first += _file(server, name, _text(server, becomes.with_those_of(was)))
            last += _written(server, name, becomes)
        else:
            first += _written(server, name, becomes)
    first += [f"remove\t{server.value}\t{name}" for name in work.gone if name not in work.services]
    first += [line for unit in work.units for line in _unit(unit)]
    first += [f"nounit\t{path}" for path in work.gone_units]
    first += _acts(work, before)
    yield _step(server, Phase.MAKE, "what comes", first)
    if last:
        last += [f"act\t{server.value}\treload", f"prove\t{server.value}"]
        yield _step(server, Phase.BREAK, "what goes", last)


def _acts(work: _Work, before: Snapshot) -> Iterator[str]:
    server = work.server
    if work.units:
        yield f"act\t{server.value}\tenable"
    is_started = not work.units and Running(server).address in before
    yield f"act\t{server.value}\t{'reload' if is_started else 'restart'}"
    yield f"prove\t{server.value}"


def _dismantle(work: _Work) -> Iterator[str]:
    server = work.server
    yield f"act\t{server.value}\tstop"
    if work.gone_units:
        yield f"act\t{server.value}\tdisable"
        yield from (f"nounit\t{path}" for path in work.gone_units)
        yield f"act\t{server.value}\tforget"
    for name in sorted({*work.services, *work.gone}):
        yield f"remove\t{server.value}\t{name}"


def _contents(work: _Work, snapshot: Snapshot) -> Mapping[str, _Content]:
    """What stands in the files of the Services concerned."""
    found = {name: _Content() for name in work.services}
    for entry in snapshot.values():
        if not isinstance(entry, Listening | Endpoint | Health):
            continue
        server, name = place_of(entry)
        content = found.get(name) if server is work.server else None
        if content is None:
            continue
        if isinstance(entry, Listening):
            content.listeners[entry.name] = entry
        elif isinstance(entry, Endpoint):
            content.endpoints.setdefault(entry.listener, []).append(entry.place)
        else:
            content.checks[entry.service] = entry
    return found


def _written(server: Server, name: str, content: _Content) -> list[str]:
    text = _text(server, content)
    return _file(server, name, text) if text else [f"remove\t{server.value}\t{name}"]


def _text(server: Server, content: _Content) -> str:
    listeners = [
        Listener(
            name,
            *listening.place,
            tuple(sorted(content.endpoints.get(name, ()))),
            listening.affinity_seconds,
            listening.affinity_entries,
        )
        for name, listening in sorted(content.listeners.items())
    ]
    if server is Server.NGINX:
        return nginx.write(listeners)
    if server is Server.HAPROXY:
        return haproxy.write(listeners)
    return haproxy.write_checks([_check(found) for _, found in sorted(content.checks.items())])


def _check(found: Health) -> haproxy.Check:
    name = f"health.{found.service.replace('/', '.')}"
    return haproxy.Check(name, found.port, found.endpoints, found.addresses, found.ipv6)


def _file(server: Server, name: str, text: str) -> list[str]:
    return [f"file\t{server.value}\t{name}", *(f"|{line}" for line in text.splitlines())]


def _unit(file: File) -> Iterator[str]:
    yield f"unit\t{file.mode:o}\t{file.path}"
    yield from (f"|{line}" for line in file.text.splitlines())


def _step(server: Server, phase: Phase, what: str, lines: Sequence[str], waits: int = 0) -> Step:
    command = ("sh", "-c", SCRIPTS[server.backend].settle, "sh")
    return Step(
        backend=server.backend,
        phase=phase,
        summary=f"{server.backend}: {server.program}, {what}",
        command=command,
        stdin=_encode(lines),
        waits=waits,
        rehearsal=(*command, "rehearse") if phase is Phase.MAKE else (),
    )


def _fingerprint(inputs: RenderInput, backend: str) -> Fingerprint:
    """The files that the changes are in, as they were read."""
    paths = {path for change in inputs.changes for path in _paths(change)}
    texts = {found.path: found.text for found in files(inputs.readings, backend)}
    operands = sorted(paths)
    return Fingerprint(
        backend=backend,
        script=FINGERPRINT,
        operands=_encode(operands),
        expected=_encode([_digest(texts.get(path)) for path in operands]),
    )


def _paths(change: Change) -> Iterator[str]:
    for found in (change.before, change.after):
        if isinstance(found, File):
            yield found.path
        elif isinstance(found, Listening | Endpoint | Health):
            server, name = place_of(found)
            yield f"{folder_of(server)}/{name}"


def _digest(text: str | None) -> str:
    if text is None:
        return "-"
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _encode(lines: Sequence[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
