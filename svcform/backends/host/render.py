"""Changes of host settings as programs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from svcform.backends.contract import RenderInput
from svcform.backends.host.objects import (
    BootUnit,
    HostObject,
    Module,
    OwnAddress,
    Route,
    Sysctl,
    sysctl_path,
)
from svcform.backends.host.observe import PROBE, reading_lines
from svcform.backends.host.scripts import FINGERPRINT, SETTLE
from svcform.plan.diff import Change
from svcform.plan.snapshot import NodeObject
from svcform.program.program import Fingerprint, Phase, Program, Step


def render(inputs: RenderInput) -> Program:
    """One step for what comes, one for what goes."""
    if not inputs.changes:
        return Program()
    backwards = [Change(c.address, c.after, c.before) for c in inputs.changes]
    return Program(
        steps=_steps(inputs.changes),
        undo=_steps(backwards),
        fingerprints=(_fingerprint(inputs),),
    )


def _steps(changes: Sequence[Change]) -> tuple[Step, ...]:
    come = sorted((_host(c.after) for c in changes if c.after), key=_order)
    gone = sorted((_host(c.before) for c in changes if c.before and not c.after), key=_order)
    steps = []
    if come:
        steps.append(_step(Phase.HOST, "settings that come", map(_made, come)))
    if gone:
        steps.append(_step(Phase.UNHOST, "settings that go", map(_unmade, reversed(gone))))
    return tuple(steps)


def _step(phase: Phase, what: str, lines: Iterable[str]) -> Step:
    return Step(
        backend="host",
        phase=phase,
        summary=f"host: {what}",
        command=("sh", "-c", SETTLE),
        stdin="".join(lines).encode(),
    )


def _host(found: NodeObject | None) -> HostObject:
    if not isinstance(found, Sysctl | Module | Route | OwnAddress | BootUnit):
        raise TypeError(f"not an object of this backend: {found!r}")
    return found


def _order(entry: HostObject) -> tuple[int, bool, str]:
    """A module before its settings, and accept_ra before the forwarding that needs it."""
    rank = (Module, Sysctl, OwnAddress, Route, BootUnit).index(type(entry))
    return (rank, "forwarding" in str(entry.address), str(entry.address))


def _key(entry: HostObject) -> tuple[str, str]:
    match entry:
        case Sysctl():
            return "sysctl", sysctl_path(entry.name)
        case Module():
            return "module", entry.name
        case Route():
            return "route", f"{entry.family.value} {entry.cidr}"
        case OwnAddress():
            return "address", entry.text
        case BootUnit():
            return "unit", entry.name


def _made(entry: HostObject) -> str:
    key = _key(entry)[1]
    match entry:
        case Sysctl():
            return f"set\t{key}\t{entry.value}\n"
        case Module():
            return f"load\t{key}\t{entry.options}\n"
        case Route():
            return f"route\t{key}\t{entry.source}\n"
        case OwnAddress():
            return f"address\t{key}\t\n"
        case BootUnit():
            lines = "".join(f"line\t{entry.path}\t|{line}\n" for line in entry.text)
            return f"{lines}unit\t{entry.path}\t{entry.mode:o}\n"


def _unmade(entry: HostObject) -> str:
    kind, key = _key(entry)
    if isinstance(entry, BootUnit):
        key = entry.path
    return f"{_UNMAKE[kind]}\t{key}\t\n"


_UNMAKE = {
    "sysctl": "unset",
    "module": "unload",
    "route": "unroute",
    "address": "noaddress",
    "unit": "nounit",
}


def _fingerprint(inputs: RenderInput) -> Fingerprint:
    entries = [_host(c.after or c.before) for c in inputs.changes]
    operands = ["\t".join(_key(entry)) for entry in entries]
    wanted = set(operands)
    lines = [
        line
        for line in reading_lines(inputs.readings[PROBE])
        if "\t".join(line.split("\t")[:2]) in wanted
    ]
    return Fingerprint(
        backend="host",
        script=FINGERPRINT,
        operands="".join(f"{line}\n" for line in operands).encode(),
        expected="".join(f"{line}\n" for line in lines).encode(),
    )
