"""A plan as JSON; the format is in ``docs/json.md`` and ``schemas/plan.schema.json``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from svcform.diagnostics import Diagnostic
from svcform.plan.diff import Change
from svcform.plan.plan import NodePlan, Plan, Problem
from svcform.plan.services import ServiceChange, ServiceRow
from svcform.views.classes import summary
from svcform.views.diagnostics import as_json, ordered
from svcform.views.meaning import renumbered

#: The first number changes when something is taken away or means something else.
FORMAT_VERSION = "1.0"


def document(kind: str, body: Mapping[str, Any]) -> str:
    """A document of svcform's: ``format_version`` and ``kind``, then the body."""
    whole = {"format_version": FORMAT_VERSION, "kind": kind, **body}
    return json.dumps(whole, indent=2, ensure_ascii=True) + "\n"


def findings_json(kind: str, diagnostics: Iterable[Diagnostic], body: Mapping[str, Any]) -> str:
    """A document that carries findings."""
    return document(kind, {**body, "diagnostics": [as_json(d) for d in ordered(diagnostics)]})


def plan_json(
    plan: Plan, digest: str, diagnostics: Iterable[Diagnostic] = (), *, exit_code: int = 0
) -> str:
    """The whole plan."""
    counts = summary(plan)
    body = {
        "digest": digest,
        "exit_code": exit_code,
        "project_id": plan.project_id,
        "empty": plan.is_empty,
        "summary": {
            "add": counts.add,
            "change": counts.change,
            "remove": counts.remove,
            "nodes": counts.nodes,
            "unplanned": counts.unplanned,
        },
        "batches": [list(batch.nodes) for batch in plan.batches],
        "refusals": [as_json(d) for d in ordered(plan.refusals)],
        "nodes": [_node(node) for node in plan.nodes],
    }
    return findings_json("plan", diagnostics, body)


def _node(node: NodePlan) -> Mapping[str, Any]:
    drift = set(node.drift)
    return {
        "name": node.node,
        "absent": node.absent,
        "problem": problem_json(node.problem),
        "services": [_service(change) for change in node.service_changes],
        "objects": [_object(change, drift=change.address in drift) for change in node.changes],
        "diagnostics": [as_json(d) for d in ordered(node.diagnostics)],
    }


def problem_json(problem: Problem | None) -> Mapping[str, str] | None:
    """Why a node has no plan: the stable reason, a sentence, what to do."""
    if problem is None:
        return None
    return {"reason": problem.reason, "message": problem.message, "remedy": problem.remedy}


def _service(change: ServiceChange) -> Mapping[str, Any]:
    before, after = change
    row = after or before
    name, protocol, family = row.key if row else ("", "", "")
    old = before.endpoints if before else ()
    new = after.endpoints if after else ()
    moved = renumbered(before, after) if before and after else []
    return {
        "action": "create" if before is None else "delete" if after is None else "update",
        "name": name,
        "protocol": protocol,
        "family": family,
        "before": _row(before),
        "after": _row(after),
        "endpoints_gained": [e for e in new if e not in set(old)],
        "endpoints_lost": [e for e in old if e not in set(new)],
        "renumbered": [{"before": a, "after": b} for a, b in moved],
    }


def _row(row: ServiceRow | None) -> Mapping[str, list[str]] | None:
    if row is None:
        return None
    return {
        "frontends": list(row.frontends),
        "endpoints": list(row.endpoints),
        "notes": list(row.notes),
    }


def _object(change: Change, *, drift: bool) -> Mapping[str, Any]:
    return {
        "backend": change.address.backend,
        "path": list(change.address.path),
        "action": change.action.value,
        "drift": drift,
        "before": list(change.before.lines()) if change.before else None,
        "after": list(change.after.lines()) if change.after else None,
    }
