"""How a node stands to what its project wants."""

from __future__ import annotations

from dataclasses import dataclass

from svcform.plan.plan import Problem
from svcform.plan.receipt import LockHolder, Receipt

IN_STEP = ("in step",)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStatus:
    """How one node stands.

    ``never``: nothing was ever applied.  ``behind``: it should be other than its last apply left
    it.  ``drifted``: it is other than its last apply left it.  ``changing``: an apply is on its
    way there.  None of them, and no ``problem``: it is in step.  A drift to just what the project
    wants is none.  ``changes`` counts the objects that a plan would change.
    """

    node: str
    never: bool = False
    behind: bool = False
    drifted: bool = False
    changing: bool = False
    changes: int = 0
    receipt: Receipt | None = None
    lock: LockHolder | None = None
    play_lock: LockHolder | None = None
    problem: Problem | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """The node's state, as people read it."""
        if self.problem:
            return ("unreadable" if self.problem.reason != "ownership" else "refused",)
        if self.changing:
            return ("changing",)
        if self.never:
            return ("never applied",)
        named = (("behind", self.behind), ("drifted", self.drifted))
        return tuple(word for word, holds in named if holds) or IN_STEP

    @property
    def guarded(self) -> bool:
        """Whether a guard on the node waits to be told that the node can still be reached."""
        return bool(self.lock and self.lock.alive and self.lock.phase == "awaiting")
