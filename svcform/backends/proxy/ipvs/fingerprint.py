"""What must not have moved between plan and apply, and what it looked like in the reading."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from svcform.backends.proxy.ipvs.objects import (
    BACKEND,
    FAMILIES,
    ROUTING,
    SERVICE,
    SET,
    Elements,
    Routing,
    SetObject,
    VirtualService,
)
from svcform.backends.proxy.ipvs.scripts import FINGERPRINT
from svcform.model.net import Family
from svcform.plan.diff import Change
from svcform.plan.snapshot import NodeObject, ObjectAddress, Snapshot
from svcform.program.program import Fingerprint


def fingerprint(changes: Sequence[Change], live: Snapshot) -> Fingerprint:
    """Covers what changes, and how packets get to IPVS."""
    families = {change.address.path[0] for change in changes}
    covered = {change.address for change in changes}
    covered |= {ObjectAddress(BACKEND, (word, ROUTING, "marks")) for word in families}
    lines = {line for address in covered for line in _lines(address, live.get(address))}
    return Fingerprint(
        backend=BACKEND,
        script=FINGERPRINT,
        operands=_encode(sorted(map(_operand, covered))),
        expected=_encode(sorted(lines)),
    )


def _operand(address: ObjectAddress) -> str:
    word, kind, name = address.path
    if kind == ROUTING:
        return f"routing {_number(word)} "
    return f"{kind} {name}" if kind in {SERVICE, SET} else f"element {kind} {name}"


def _lines(address: ObjectAddress, found: NodeObject | None) -> Iterator[str]:
    if isinstance(found, VirtualService):
        yield from found.listed
    elif isinstance(found, SetObject):
        yield f"create {found.head.name} {found.head.type}"
        yield from found.lines()[1:]
    elif isinstance(found, Elements):
        yield from found.lines()
    elif isinstance(found, Routing):
        yield from (f"routing {_number(address.path[0])} {part}" for part in found.parts)


def _number(word: str) -> int:
    return 4 if FAMILIES[word] is Family.IPV4 else 6


def _encode(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
