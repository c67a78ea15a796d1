"""Changes in, programs for ipset, ipvsadm and ip out.

Servers and what leads to them come first, then elements change what packets get, then goes what
nothing refers to any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from svcform.backends.contract import RenderInput
from svcform.backends.proxy.ipvs.fingerprint import fingerprint
from svcform.backends.proxy.ipvs.objects import (
    BACKEND,
    FAMILIES,
    FAMILY_WORDS,
    ROUTING,
    SET,
    Elements,
    Routing,
    SetObject,
    VirtualService,
    service_address,
)
from svcform.backends.proxy.ipvs.observe import family_of, unfinished
from svcform.backends.proxy.ipvs.scripts import REMOVE, ROUTE
from svcform.backends.proxy.ipvs.server_scripts import CHANGE_SERVICES, LEAVE
from svcform.backends.proxy.ipvs.set_scripts import RENEW
from svcform.lang.ipset.names import Set
from svcform.lang.ipset.save import Restore, key_of
from svcform.lang.ipvs.service import AddressService
from svcform.model.net import Family
from svcform.plan.diff import Change
from svcform.plan.snapshot import NodeObject, Snapshot
from svcform.program.program import Phase, Program, Step

_IPSET = ("ipset", "-exist", "restore")


def render(inputs: RenderInput) -> Program:
    """The steps, their undo, and the fingerprint; nothing at all for no changes."""
    if not inputs.changes:
        return Program()
    back = [Change(c.address, c.after, c.before) for c in inputs.changes]
    there = _sort(inputs.changes, inputs.wanted)
    _finish(there, inputs)
    return Program(
        steps=tuple(_steps(there, inputs.drain_wait)),
        undo=tuple(_steps(_sort(back, inputs.live), 0)),
        fingerprints=(fingerprint(inputs.changes, inputs.live),),
    )


@dataclass(frozen=True, slots=True)
class _Work:
    """What is to be done in each phase."""

    made: Restore = field(default_factory=Restore)
    renewed: Restore = field(default_factory=Restore)
    switched: Restore = field(default_factory=Restore)
    broken: Restore = field(default_factory=Restore)
    coming: list[str] = field(default_factory=list)
    leaving: list[str] = field(default_factory=list)
    resting: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    routed: list[str] = field(default_factory=list)
    unrouted: list[str] = field(default_factory=list)
    draining: set[str] = field(default_factory=set)


def _sort(changes: Iterable[Change], after: Snapshot) -> _Work:
    changes = tuple(changes)
    work, stays = _Work(), {address.path[0] for address in after}
    come = {c.address.path[2] for c in changes if c.address.path[1] == SET and not c.before}
    gone = {c.address.path[2] for c in changes if c.address.path[1] == SET and not c.after}
    other = set(_of_another_type(changes))
    # In this order sets are made before their elements, and are empty before they go.
    for change in sorted(changes, key=lambda c: (c.address.path[1] != SET, c.address)):
        word, kind, _ = change.address.path
        if kind == ROUTING:
            _route(work, FAMILIES[word], change)
        elif isinstance(change.after or change.before, VirtualService):
            _service(work, FAMILIES[word], change, has_rest=word in stays)
        elif kind == SET:
            _set(work, change)
        elif kind not in gone and kind not in other:
            _elements(work.made if kind in come else work.switched, change)
    for found in after.values() if other else ():
        if isinstance(found, Elements) and found.set_name in other:
            work.renewed.add(found.set_name, found.elements)
    return work


def _of_another_type(changes: Iterable[Change]) -> Iterator[str]:
    for change in changes:
        old, new = _as_set(change.before), _as_set(change.after)
        if old and new and old.head != new.head:
            yield new.head.name


def _finish(work: _Work, inputs: RenderInput) -> None:
    """What was leaving before this change: it goes with the last of its family at once."""
    stays = {address.path[0] for address in inputs.wanted}
    for caught in unfinished(inputs.readings):
        word = FAMILY_WORDS[family_of(caught)]
        if word in stays:
            work.draining.add(caught.write())
        elif service_address(word, caught) not in inputs.live:
            work.leaving.append(f"-D {caught.write()}")


def _steps(work: _Work, wait: int) -> Iterator[Step]:
    yield from _set_step(Phase.MAKE, "sets made", work.made)
    text = work.renewed.lines
    yield from _script_step(Phase.MAKE, "ipset: sets made anew, of their type", RENEW, text)
    yield from _service_step(Phase.MAKE, "servers that come", work.coming)
    yield from _script_step(Phase.MAKE, "ip: routing that comes", ROUTE, work.routed)
    yield from _set_step(Phase.SWITCH, "elements changed", work.switched)
    yield from _service_step(Phase.BREAK, "servers that go", work.leaving)
    yield from _script_step(Phase.BREAK, "ip: routing that goes", ROUTE, work.unrouted)
    yield from _set_step(Phase.BREAK, "elements removed", work.broken)
    what = f"ipset: sets removed, commands: {len(work.removed)}"
    yield from _script_step(Phase.BREAK, what, REMOVE, work.removed)
    if work.draining:
        what = f"ipvsadm: servers that go with their connections, commands: {len(work.resting)}"
        looks = [f"-L -n {name}" for name in sorted(work.draining)]
        yield from _script_step(Phase.DRAIN, what, LEAVE, [str(wait), *work.resting, *looks], wait)


def _set_step(phase: Phase, what: str, restore: Restore) -> Iterator[Step]:
    if restore.lines:
        yield Step(
            backend=BACKEND,
            phase=phase,
            summary=f"ipset: {what}, commands: {len(restore.lines)}",
            command=_IPSET,
            stdin=restore.write(),
        )


def _service_step(phase: Phase, what: str, lines: list[str]) -> Iterator[Step]:
    yield from _script_step(
        phase, f"ipvsadm: {what}, commands: {len(lines)}", CHANGE_SERVICES, lines
    )


def _script_step(
    phase: Phase, summary: str, script: str, lines: Sequence[str], waits: int = 0
) -> Iterator[Step]:
    if lines:
        yield Step(
            backend=BACKEND,
            phase=phase,
            summary=summary,
            command=("sh", "-c", script),
            stdin="".join(f"{line}\n" for line in lines).encode(),
            waits=waits,
        )


def _route(work: _Work, family: Family, change: Change) -> None:
    old, new = _parts(change.before), _parts(change.after)
    number = 4 if family is Family.IPV4 else 6
    work.routed.extend(f"add {number} {part}" for part in new if part not in old)
    work.unrouted.extend(f"del {number} {part}" for part in reversed(old) if part not in new)


def _parts(found: NodeObject | None) -> tuple[str, ...]:
    return found.parts if isinstance(found, Routing) else ()


def _service(work: _Work, family: Family, change: Change, *, has_rest: bool) -> None:
    old, new = _virtual(change.before), _virtual(change.after)
    if new:
        _come(work, family, old, new)
    if old:
        _leave(work, family, old, new, has_rest=has_rest)


def _come(work: _Work, family: Family, old: VirtualService | None, new: VirtualService) -> None:
    name = new.caught.write()
    if old is None:
        work.coming.append(f"-A {name} {new.options}")
        if isinstance(new.caught, AddressService):
            work.made.add(Set.VIRTUAL.name_in(family), [_recorded(new.caught)])
    elif new.options != old.options:
        work.coming.append(f"-E {name} {new.options}")
    known = set(old.servers) if old else set()
    there = {*(server.place for server in known), *(old.leaving if old else ())}
    for server in new.servers:
        if server not in known:
            verb = "-e" if server.place in there else "-a"
            work.coming.append(f"{verb} {name} {server.write()}")


def _leave(
    work: _Work,
    family: Family,
    old: VirtualService,
    new: VirtualService | None,
    *,
    has_rest: bool,
) -> None:
    """A server with connections that can end by themselves goes at weight 0, later for good."""
    name = old.caught.write()
    drains = (new or old).drains
    if new is None and not (has_rest and drains):
        work.leaving.append(f"-D {name}")
        if has_rest and isinstance(old.caught, AddressService):
            work.broken.delete(Set.VIRTUAL.name_in(family), [_recorded(old.caught)])
        return
    wanted = {server.place for server in new.servers} if new else set()
    gone = [server for server in old.servers if server.place not in wanted]
    if drains:
        work.resting.extend(f"-e {name} {replace(server, weight=0).write()}" for server in gone)
        if gone:
            work.draining.add(name)
    else:
        work.leaving.extend(f"-d {name} {server.named()}" for server in gone)


def _virtual(found: NodeObject | None) -> VirtualService | None:
    return found if isinstance(found, VirtualService) else None


def _recorded(caught: AddressService) -> str:
    return f"{caught.address},{caught.protocol.lower()}:{caught.port}"


def _set(work: _Work, change: Change) -> None:
    old, new = _as_set(change.before), _as_set(change.after)
    if new and (old is None or old.head != new.head):
        restore = work.renewed if old else work.made
        restore.create(new.head)
        restore.add(new.head.name, new.elements)
    elif old and new:
        gone = [each for each in old.elements if each not in new.elements]
        come = [each for each in new.elements if each not in old.elements]
        work.switched.add(new.head.name, come)
        work.switched.delete(new.head.name, gone)
    elif old:
        work.removed.append(old.head.name)


def _as_set(found: NodeObject | None) -> SetObject | None:
    return found if isinstance(found, SetObject) else None


def _elements(restore: Restore, change: Change) -> None:
    name = change.address.path[1]
    old = change.before.elements if isinstance(change.before, Elements) else ()
    new = change.after.elements if isinstance(change.after, Elements) else ()
    keys = set(map(key_of, new))
    restore.add(name, [each for each in new if each not in old])
    restore.delete(name, [key_of(each) for each in old if key_of(each) not in keys])
