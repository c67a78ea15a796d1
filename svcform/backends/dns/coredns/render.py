"""Changes in, edits of zone files out: as long as what changes, however large the zones are.

A name goes before its Service stops, and comes after it carries traffic: where names of Services
go, the records that go are taken out in MAKE, before any proxy switches; all else is done in
SWITCH, behind the proxies.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from svcform.backends.contract import RenderInput
from svcform.backends.dns.coredns import directives
from svcform.backends.dns.coredns.fingerprint import fingerprint
from svcform.backends.dns.coredns.objects import COREFILE, NAME, Binary, File, zone_path
from svcform.backends.dns.coredns.scripts import BRING, SETTLE
from svcform.backends.dns.coredns.work import LEADING_TYPES, Work, sort, whole_zones
from svcform.lang.zone.serial import following
from svcform.model.zone import RecordSet
from svcform.plan.diff import Change
from svcform.program.program import Phase, Program, Step

#: That of dns_ttl; a zone that somebody edited may have any.
_LONGEST_WAIT = 3600


def render(inputs: RenderInput) -> Program:
    """The steps, their undo, and the fingerprint; nothing at all for no changes."""
    if not inputs.changes:
        return Program()
    backwards = [Change(c.address, c.after, c.before) for c in inputs.changes]
    live = inputs.facts.dns_serial
    there = sort(inputs.changes, inputs.live, inputs.wanted, following(live))
    back = sort(backwards, inputs.wanted, inputs.live, following(live, 2))
    return Program(
        steps=tuple(_steps(there)),
        undo=tuple(_steps(back)),
        fingerprints=(fingerprint(inputs.changes, inputs.live),),
    )


def _steps(work: Work) -> Iterator[Step]:
    if back := [directives.unlead(c.address.path[1]) for c in work.resolver if not c.after]:
        yield _step(Phase.MAKE, "the node's resolver as it was", back)
    if not work.will_run:
        yield _step(Phase.MAKE, "CoreDNS stops serving", _dismantle(work))
        yield from _wait(work)
        return
    yield from map(_bring, work.brought)
    if work.was_running and (leaving := list(_leaving(work))):
        yield _step(Phase.MAKE, "names that go", leaving)
        yield from _wait(work)
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


def _step(phase: Phase, what: str, lines: Sequence[str], waits: int = 0) -> Step:
    return Step(
        backend=NAME,
        phase=phase,
        summary=f"coredns: {what}",
        command=("sh", "-c", SETTLE),
        stdin=directives.encode(lines),
        waits=waits,
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


def _dismantle(work: Work) -> list[str]:
    zones = [zone_path(origin) for origin in work.edits]
    units = [path for path in work.removed if path != COREFILE]
    lines = [directives.service("stop"), directives.service("disable")] if units else []
    lines += [directives.remove(path) for path in units]
    lines += [directives.service("forget")] if units else []
    lines += [directives.remove(path) for path in (*zones, COREFILE)]
    return lines + [directives.retire(path) for path in work.retired]


def _leaving(work: Work) -> Iterator[str]:
    found = False
    for edit in work.edits.values():
        if edit.before and work.leaves_first(edit):
            found = True
            yield from directives.edit(edit.before, work.serial, _lines(edit.gone), ())
    if found:
        yield directives.PROVE


def _wait(work: Work) -> Iterator[Step]:
    """Until nobody remembers the names that went, if the play asks for it."""
    gone = [found for edit in work.edits.values() for found in edit.gone]
    ttls = [found.ttl for found in gone if found.type in LEADING_TYPES]
    seconds = min(max(ttls, default=0), _LONGEST_WAIT)
    if seconds and work.waits:
        lines = [directives.wait(seconds)]
        yield _step(Phase.MAKE, "others forget the names that went", lines, seconds)


def _main(work: Work) -> Iterator[str]:
    is_whole = {o: not e.is_partial for o, e in work.edits.items() if e.is_written}
    contents = whole_zones(work.after, [origin for origin, whole in is_whole.items() if whole])
    lines: list[str] = []
    for origin, edit in work.edits.items():
        if edit.after is None or not edit.is_written:
            continue
        if origin in contents:
            lines += directives.replace(edit.after, work.serial, contents[origin])
        else:
            old = [before for before, _ in edit.changed if before]
            gone = old if work.leaves_first(edit) else [*old, *edit.gone]
            come = [after for _, after in edit.changed]
            if gone or come:
                lines += directives.edit(edit.after, work.serial, _lines(gone), _lines(come))
    for file in work.files:
        lines += directives.put(file)
    acts = list(_acts(work))
    if lines or acts:
        yield from lines
        yield from acts
        yield directives.PROVE


def _acts(work: Work) -> Iterator[str]:
    paths = {file.path for file in work.files}
    if paths - {COREFILE}:
        yield directives.service("enable")
        yield directives.service("restart")
    elif not work.was_running:
        yield directives.service("restart")
    elif paths:
        yield directives.service("reload")


def _lines(records: Sequence[RecordSet]) -> list[str]:
    return [line for found in records for line in found.lines()]
