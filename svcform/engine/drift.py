"""Which changes are repairs of what somebody else did, rather than wishes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from svcform.engine.recorded import Receipt
from svcform.plan.diff import Change
from svcform.plan.services import ServiceChange
from svcform.plan.snapshot import NodeObject, ObjectAddress

_WORD = re.compile(r"[0-9A-Fa-f:.]+|[A-Za-z][\w/-]*")


def drift(
    changes: Sequence[Change],
    service_changes: Sequence[ServiceChange],
    receipt: Receipt | None,
    before: str,
) -> tuple[ObjectAddress, ...]:
    """The addresses of changes that no change of a Service explains.

    There are none on a node that is as its last receipt left it (``before`` is the digest of what
    is there now).  Else a change is explained if a line that it adds or takes away holds an
    address of a Service that changes.
    """
    if receipt is None or receipt.outcome != "applied" or receipt.after == before:
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
