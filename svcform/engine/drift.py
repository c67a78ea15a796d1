"""Which changes are repairs of what somebody else did, rather than wishes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from svcform.plan.diff import Change
from svcform.plan.receipt import Receipt
from svcform.plan.services import ServiceChange
from svcform.plan.snapshot import NodeObject, ObjectAddress

_WORD = re.compile(r"[0-9A-Fa-f:.]+|[A-Za-z][\w/-]*")


def left(receipts: Sequence[Receipt]) -> str | None:
    """The digest of what the last apply left on the node, None where nobody can say.

    A run that was rolled back left what was there.  A plan that was made before the last apply,
    and applied after it because the two don't touch, holds the digest of neither's outcome.
    """
    kept = [receipt for receipt in receipts if receipt.outcome != "rolled-back"]
    if not kept or kept[-1].outcome == "failed-changed":
        return None
    last, earlier = kept[-1], kept[:-1]
    if last.outcome == "restored":
        return last.after or None
    merged = earlier and last.before not in {earlier[-1].after, ""}
    if merged and last.before in {receipt.before for receipt in earlier}:
        return None
    return last.after


def drift(
    changes: Sequence[Change],
    service_changes: Sequence[ServiceChange],
    expected: str | None,
    before: str,
) -> tuple[ObjectAddress, ...]:
    """The addresses of changes that no change of a Service explains.

    There are none on a node that is as its last apply left it (``expected`` is what :func:`left`
    says, ``before`` the digest of what is there now).  Else a change is explained if a line that it
    adds or takes away holds an address of a Service that changes.
    """
    if expected is None or expected == before:
        return ()
    explained = _addresses(service_changes)
    return tuple(change.address for change in changes if not explained & _words(change))


def _addresses(service_changes: Iterable[ServiceChange]) -> set[str]:
    """Addresses and node ports of frontends and endpoints that come or go."""
    found: set[str] = set()
    for before, after in service_changes:
        old = {*before.frontends, *before.endpoints} if before else set()
        new = {*after.frontends, *after.endpoints} if after else set()
        for text in old ^ new or old | new:
            address, _, port = text.rpartition(" ")[2].rpartition(":")
            found.add(address.strip("[]") or port)
    return found


def _words(change: Change) -> set[str]:
    before, after = _lines(change.before), _lines(change.after)
    text = "\n".join(before ^ after)
    words = set(_WORD.findall(text))
    return words | {word.rpartition(":")[0] for word in words}


def _lines(found: NodeObject | None) -> set[str]:
    return set(found.lines()) if found else set()
