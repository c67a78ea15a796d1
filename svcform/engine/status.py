"""Status: how each node stands to what the project wants, and to what its last apply left."""

from __future__ import annotations

from collections.abc import Mapping

from svcform.engine.drift import left
from svcform.engine.observe import Observation
from svcform.errors import NodeError
from svcform.plan.node_status import NodeStatus
from svcform.plan.plan import NodePlan, Plan

_CHANGING = {"running", "awaiting", "restoring", "committing"}


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
