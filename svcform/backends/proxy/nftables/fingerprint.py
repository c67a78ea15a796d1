"""What must not have moved between plan and apply, and what it looked like in the reading."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from svcform.backends.proxy.nftables.objects import (
    BACKEND,
    CHAIN,
    LIST_SIZES,
    STRANGE,
    ChainObject,
    Declared,
    Elements,
    address,
    for_nft,
)
from svcform.backends.proxy.nftables.scripts import FINGERPRINT
from svcform.plan.diff import Change
from svcform.plan.snapshot import NodeObject, ObjectAddress, Snapshot
from svcform.program.program import Fingerprint


def fingerprint(changes: Sequence[Change], live: Snapshot) -> Fingerprint:
    """Covers what changes, the chains that it refers to, and the hooks; as nft printed them."""
    covered = sorted(_covered(changes, live))
    return Fingerprint(
        backend=BACKEND,
        script=FINGERPRINT,
        operands=_encode(_operand(each) for each in covered),
        expected=_encode(sorted({line for a in covered for line in _lines(a, live.get(a))})),
    )


def _covered(changes: Sequence[Change], live: Snapshot) -> set[ObjectAddress]:
    covered = {change.address for change in changes}
    families = {change.address.path[0] for change in changes}
    for where, found in live.items():
        is_hook = isinstance(found, ChainObject) and found.hook
        if is_hook and where.path[0] in families:
            covered.add(where)
    for change in changes:
        covered.update(_referred(change))
    return covered


def _referred(change: Change) -> Iterator[ObjectAddress]:
    for found in (change.before, change.after):
        for name, element in found.items if isinstance(found, Elements) else ():
            if name == LIST_SIZES:
                yield address(change.address.path[0], CHAIN, element.rpartition(" ")[2])


def _operand(where: ObjectAddress) -> str:
    """``ip frontends 10.96.0.1 . 6 . 80``: family, kind, and the key as nft takes it."""
    family, kind, name = where.path
    return f"{family} {kind} {for_nft(kind, name)}"


def _lines(where: ObjectAddress, found: NodeObject | None) -> Iterator[str]:
    family, kind, name = where.path
    head = f"{family} {kind} {name}"
    if found and kind == STRANGE:
        yield head
    elif isinstance(found, ChainObject):
        yield from (f"{head} {n} {line}" for n, line in enumerate(found.listed, start=1))
    elif isinstance(found, Declared):
        yield from (f"{head} {line}" for line in (found.kind, *found.elements))
    elif isinstance(found, Elements):
        yield from (f"{family} {name} {for_nft(name, element)}" for name, element in found.items)


def _encode(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
