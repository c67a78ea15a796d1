"""What a plan relies on and does not change, where that moved since the plan was made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from svcform.plan.services import ServiceChange, ServiceRow
from svcform.program.program import Fingerprint
from svcform.transport.contract import Session

_LINES = 10
_LENGTH = 200


def rows_moved(changes: Sequence[ServiceChange], rows: Sequence[ServiceRow]) -> str:
    """Which rows of the node's table are not as they were planned from, in a sentence."""
    live = {row.key: row for row in rows}
    names = {
        row.name
        for change in changes
        if (row := change.before or change.after) and live.get(row.key) != change.before
    }
    return f"Not as they were: {_some(sorted(names), ', ')}." if names else ""


def prints_moved(prints: Sequence[Fingerprint], session: Session) -> str:
    """What the plan's fingerprints print now and did not then, and what they don't any more.

    Raises a NodeError where the node can't be asked.
    """
    lines = [line for entry in prints for line in _moved(entry, session)]
    return _some(lines, "\n")


def _moved(entry: Fingerprint, session: Session) -> Iterator[str]:
    then = _lines(entry.expected)
    now = _lines(session.exec(entry.script, stdin=entry.operands).stdout)
    for word, lines, others in (("was", then, set(now)), ("is", now, set(then))):
        for line in lines:
            if line not in others:
                yield f"{entry.backend} {word}: {line.strip()[:_LENGTH]}"


def _lines(printed: bytes) -> Sequence[str]:
    return printed.decode(errors="replace").splitlines()


def _some(items: Sequence[str], between: str) -> str:
    rest = [f"and {len(items) - _LINES} more"] if len(items) > _LINES else []
    return between.join([*items[:_LINES], *rest])
