"""Status: how each node stands to what the project wants, and to what its last apply left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from svcform.engine.drift import left
from svcform.engine.observe import Observation
from svcform.engine.recorded import LockHolder, Receipt
from svcform.errors import NodeError
from svcform.plan.plan import NodePlan, Plan, Problem

_CHANGING = {"running", "awaiting", "restoring", "committing"}


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
        return tuple(word for word, holds in named if holds) or ("in step",)

    @property
    def guarded(self) -> bool:
        """Whether a guard on the node waits to be told that the node can still be reached."""
        return bool(self.lock and self.lock.alive and self.lock.phase == "awaiting")


def status(
    plan: Plan, observations: Mapping[str, Observation | NodeError]
) -> tuple[NodeStatus, ...]:
    """The status of each node of a plan, from the observations that the plan was made from."""
    return tuple(_status(node, observations.get(node.node)) for node in plan.nodes)


def _status(plan: NodePlan, seen: Observation | NodeError | None) -> NodeStatus:
    if not isinstance(seen, Observation):
        return NodeStatus(node=plan.node, problem=plan.problem)
    recorded = seen.recorded
    lock = recorded.lock
    expected = left(recorded.receipts)
    drifted = not plan.is_empty and expected is not None and expected != plan.before
    wants_more = bool(plan.service_changes) or plan.claims or plan.absent
    planned = not plan.problem and not plan.is_empty
    return NodeStatus(
        node=plan.node,
        never=planned and not recorded.project_id,
        behind=planned and (wants_more or not drifted or expected != plan.after),
        drifted=planned and drifted,
        changing=bool(lock and lock.alive and lock.phase in _CHANGING),
        changes=len(plan.changes),
        receipt=recorded.receipt,
        lock=lock,
        play_lock=recorded.play_lock,
        problem=plan.problem,
    )
