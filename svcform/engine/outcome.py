"""What became of each node in an apply."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from svcform.diagnostics import Diagnostic
from svcform.errors import NodeError
from svcform.plan.snapshot import ObjectAddress


class Result(Enum):
    """The word for a node in the summary, in JSON and in the exit code."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"
    ALREADY_APPLIED = "already-applied"
    SKIPPED = "skipped"
    """Not started: an earlier batch failed, or the run was interrupted."""
    REFUSED = "refused"
    """Ownership, or another machine than the one that was planned for."""
    STALE = "stale"
    LOCKED = "locked"
    ROLLED_BACK = "rolled-back"
    """Something failed, or nobody confirmed, and the node is in its state of before."""
    CHANGED = "failed-changed"
    """Something failed and the node is *not* in its state of before."""
    UNKNOWN = "unknown"
    """The old state, or the new one: a lost confirmation, or a run that had not ended yet."""
    UNREACHABLE = "unreachable"
    """Nothing was touched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one node.

    ``detail`` is a full sentence, empty where all went well.  ``moved`` are the objects that
    changed since the plan (STALE) or that the read-back shows otherwise than planned.
    """

    node: str
    result: Result
    detail: str = ""
    remedy: str = ""
    moved: tuple[ObjectAddress, ...] = ()
    error: NodeError | None = None
    warnings: tuple[Diagnostic, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether the node is not as the plan wants it."""
        return self.result not in {Result.APPLIED, Result.UNCHANGED, Result.ALREADY_APPLIED}
