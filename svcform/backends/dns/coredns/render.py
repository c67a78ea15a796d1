"""Changes in, edits of zone files out: as long as what changes, however large the zones are.

A name goes before its Service stops, and comes after it carries traffic: the records that go are
taken out in MAKE, before any proxy switches; all else is done in SWITCH, behind the proxies.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from svcform.backends.contract import RenderInput
from svcform.backends.dns.coredns import directives
from svcform.backends.dns.coredns.corefile import seconds_to_wait
from svcform.backends.dns.coredns.objects import (
    COREFILE,
    NAME,
    RESOLVER_FILES,
    Binary,
    File,
    Running,
    Start,
    record_address,
    zone_path,
)
from svcform.backends.dns.coredns.scripts import BRING, FINGERPRINT, SETTLE
from svcform.lang.zone.serial import following
from svcform.model.zone import RecordSet
from svcform.plan.diff import Change
from svcform.plan.snapshot import Snapshot
from svcform.program.program import Fingerprint, Phase, Program, Step

_RUNNING = Running().address


def render(inputs: RenderInput) -> Program:
    """The steps, their undo, and the fingerprint; nothing at all for no changes."""
    if not inputs.changes:
        return Program()
    backwards = [Change(c.address, c.after, c.before) for c in inputs.changes]
    live = inputs.facts.dns_serial
    there = _sort(inputs.changes, inputs.live, inputs.wanted, following(live))
    back = _sort(backwards, inputs.wanted, inputs.live, following(live, 2))
    return Program(
        steps=tuple(_steps(there)),
        undo=tuple(_steps(back)),
        fingerprints=(_fingerprint(inputs.changes, inputs.live),),
    )


@dataclass(slots=True)
class _Edit:
    """What changes in one zone; ``before`` and ``after`` are None where it isn't there."""

    before: Start | None
    after: Start | None
    gone: list[RecordSet] = field(default_factory=list)
    changed: list[tuple[RecordSet | None, RecordSet]] = field(default_factory=list)

    @property
    def is_partial(self) -> bool:
        """Whether the file that is there can be edited."""
        return self.after is not None and self.before == self.after


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """All that a program has to do, sorted."""

    edits: dict[str, _Edit]
    files: list[File]
    removed: list[str]
    before: Snapshot
    after: Snapshot
    serial: int
    resolver: list[Change] = field(default_factory=list)
    brought: list[Binary] = field(default_factory=list)
    retired: list[str] = field(default_factory=list)


def _sort(changes: Sequence[Change], before: Snapshot, after: Snapshot, serial: int) -> _Work:
    work = _Work(edits={}, files=[], removed=[], before=before, after=after, serial=serial)
    for change in changes:
        found = change.after if change.after is not None else change.before
        if isinstance(found, File):
            if found.path in RESOLVER_FILES:
                work.resolver.append(change)
            elif isinstance(change.after, File):
                work.files.append(change.after)
            else:
                work.removed.append(found.path)
        elif isinstance(change.after, Binary):
            work.brought.append(change.after)
        elif isinstance(found, Binary):
            work.retired.append(found.path)
        elif isinstance(found, RecordSet | Start):
            _note(work, change)
    return work


def _note(work: _Work, change: Change) -> None:
    origin = change.address.path[0]
    edit = work.edits.get(origin)
    if edit is None:
        address = record_address(origin, origin, "SOA")
        edit = _Edit(_start(work.before.get(address)), _start(work.after.get(address)))
        work.edits[origin] = edit
    if isinstance(change.after, RecordSet):
        old = change.before if isinstance(change.before, RecordSet) else None
        edit.changed.append((old, change.after))
    elif isinstance(change.before, RecordSet):
        edit.gone.append(change.before)


def _start(found: object) -> Start | None:
    return found if isinstance(found, Start) else None


def _steps(work: _Work) -> Iterator[Step]:
    if back := [directives.unlead(c.address.path[1]) for c in work.resolver if not c.after]:
        yield _step(Phase.MAKE, "the node's resolver as it was", back)
    if _RUNNING not in work.after:
        yield _step(Phase.MAKE, "CoreDNS stops serving", _dismantle(work))
        return
    yield from map(_bring, work.brought)
    leaving = list(_leaving(work)) if _RUNNING in work.before else []
    if leaving:
        yield _step(Phase.MAKE, "names that go", leaving)
    main = list(_main(work))
    if main:
        yield _step(Phase.SWITCH, "zones and configuration", main)
    led = [c.after for c in work.resolver if isinstance(c.after, File)]
    if led:
        lines = [line for file in led for line in directives.lead(file)]
        yield _step(Phase.SWITCH, "the node's resolver", lines)
    late = [directives.remove(zone_path(o)) for o, e in work.edits.items() if e.after is None]
    late += [directives.remove(path) for path in work.removed]
    late += [directives.retire(path) for path in work.retired]
    if late:
        yield _step(Phase.BREAK, "files that go", late)
    if any(file.path == COREFILE and "\n# late: " in file.text for file in work.files):
        # What drops and takes packets to these addresses goes in BREAK.
        yield _step(Phase.UNHOST, "addresses that the proxy left", [directives.PROVE_LATE])


def _step(phase: Phase, what: str, lines: Sequence[str]) -> Step:
    return Step(
        backend=NAME,
        phase=phase,
        summary=f"coredns: {what}",
        command=("sh", "-c", SETTLE),
        stdin=directives.encode(lines),
    )


def _bring(binary: Binary) -> Step:
    if not binary.content:
        return _step(Phase.MAKE, "the former CoreDNS", [directives.revive(binary.path)])
    return Step(
        backend=NAME,
        phase=Phase.MAKE,
        summary="coredns: the program that is brought along",
        command=("sh", "-c", BRING, "sh", binary.path, binary.sha256),
        stdin=binary.content,
        stores=True,
    )


def _dismantle(work: _Work) -> list[str]:
    zones = [zone_path(origin) for origin in work.edits]
    units = [path for path in work.removed if path != COREFILE]
    lines = [directives.service("stop"), directives.service("disable")] if units else []
    lines += [directives.remove(path) for path in units]
    lines += [directives.service("forget")] if units else []
    lines += [directives.remove(path) for path in (*zones, COREFILE)]
    return lines + [directives.retire(path) for path in work.retired]


def _leaving(work: _Work) -> Iterator[str]:
    found = False
    for edit in work.edits.values():
        if edit.after is not None and edit.is_partial and edit.gone:
            found = True
            yield from directives.edit(edit.after, work.serial, _lines(edit.gone), ())
    if found:
        yield directives.PROVE
        corefile = work.after.get(File(COREFILE, "").address)
        seconds = seconds_to_wait("\n".join(corefile.lines())) if corefile else 0
        if seconds:
            yield directives.wait(seconds)


def _main(work: _Work) -> Iterator[str]:
    was_running = _RUNNING in work.before
    whole = {o for o, e in work.edits.items() if e.after is not None and not e.is_partial}
    contents = _records(work.after, whole)
    lines: list[str] = []
    for origin, edit in work.edits.items():
        if edit.after is None:
            continue
        if origin in whole:
            lines += directives.replace(edit.after, work.serial, contents[origin])
        else:
            old = [before for before, _ in edit.changed if before]
            gone = old if was_running else [*old, *edit.gone]
            come = [after for _, after in edit.changed]
            if gone or come:
                lines += directives.edit(edit.after, work.serial, _lines(gone), _lines(come))
    for file in work.files:
        lines += directives.put(file)
    acts = list(_acts(work, is_running=was_running))
    if lines or acts:
        yield from lines
        yield from acts
        yield directives.PROVE


def _acts(work: _Work, *, is_running: bool) -> Iterator[str]:
    paths = {file.path for file in work.files}
    if paths - {COREFILE}:
        yield directives.service("enable")
        yield directives.service("restart")
    elif not is_running:
        yield directives.service("restart")
    elif paths:
        yield directives.service("reload")


def _records(snapshot: Snapshot, origins: set[str]) -> dict[str, list[str]]:
    """The lines of whole zones."""
    found: dict[str, list[str]] = {origin: [] for origin in origins}
    if origins:
        for address, entry in snapshot.items():
            if isinstance(entry, RecordSet) and address.path[0] in origins:
                found[address.path[0]] += entry.lines()
    return {origin: sorted(lines) for origin, lines in found.items()}


def _lines(records: Sequence[RecordSet]) -> list[str]:
    return [line for found in records for line in found.lines()]


def _fingerprint(changes: Sequence[Change], live: Snapshot) -> Fingerprint:
    operands: dict[str, str] = {}
    zones: dict[str, list[str]] = {}
    for change in changes:
        place = change.address.path
        found = live.get(change.address)
        if place[0] == "file":
            kind = "own" if place[1] in RESOLVER_FILES else "file"
            operands[f"{kind}\t{place[1]}"] = _digest(found)
        elif place[0] == "binary":
            operands[f"binary\t{place[1]}"] = found.sha256 if isinstance(found, Binary) else "-"
        elif len(place) == 3:
            operands["\t".join(("zone", *place))] = ""
            zones.setdefault(place[0], []).extend(_live_lines(found))
    expected = [text for text in operands.values() if text]
    for lines in zones.values():
        starts = [line for line in lines if " IN SOA " in line]
        expected += [*starts, *sorted(line for line in lines if line not in starts)]
    return Fingerprint(
        backend=NAME,
        script=FINGERPRINT,
        operands=directives.encode(operands),
        expected=directives.encode(expected),
    )


def _live_lines(found: object) -> Sequence[str]:
    if isinstance(found, Start):
        return found.lines()[:1]
    return found.lines() if isinstance(found, RecordSet) else ()


def _digest(found: object) -> str:
    if not isinstance(found, File):
        return "-"
    return hashlib.sha256(found.text.encode("utf-8", "surrogateescape")).hexdigest()
