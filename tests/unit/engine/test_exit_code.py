"""The exit codes are a table; the first row that applies wins."""

from __future__ import annotations

import pytest

from svcform.diagnostics import Diagnostic, Severity
from svcform.engine.exit_code import of_apply, of_plan
from svcform.engine.outcome import Outcome, Result
from svcform.plan.diff import Change
from svcform.plan.plan import NodePlan, Plan, Problem
from svcform.plan.snapshot import ObjectAddress, RecordedObject

CHANGE = Change(ObjectAddress("host", ("sysctl", "a")), None, RecordedObject(("a = 1",)))
EMPTY = NodePlan(node="empty")
PENDING = NodePlan(node="pending", changes=(CHANGE,))
R = Result


def problem(reason: str) -> NodePlan:
    return NodePlan(node=reason, problem=Problem(reason=reason, message="It is so."))


def refusal(code: str) -> Diagnostic:
    return Diagnostic(code, Severity.ERROR, "No", "No.")


@pytest.mark.parametrize(
    ("nodes", "refusals", "detailed", "code"),
    [
        ((EMPTY,), (), True, 0),
        ((PENDING,), (), False, 0),
        ((PENDING,), (), True, 2),
        ((PENDING, problem("unreachable")), (), True, 4),
        ((problem("tool-missing"),), ("SVC503",), False, 4),
        ((problem("input"), problem("unreachable")), (), False, 1),
        ((problem("ownership"), problem("unreachable")), (), False, 7),
        ((PENDING,), ("SVC501",), True, 7),
    ],
)
def test_of_a_plan(
    nodes: tuple[NodePlan, ...], refusals: tuple[str, ...], detailed: bool, code: int
) -> None:
    made = Plan(project_id="p", nodes=nodes, refusals=tuple(map(refusal, refusals)))
    assert of_plan(made, detailed=detailed) == code


@pytest.mark.parametrize(
    ("results", "interrupted", "code"),
    [
        ((R.APPLIED, R.UNCHANGED, R.ALREADY_APPLIED), False, 0),
        ((R.APPLIED, R.STALE), True, 130),
        ((R.APPLIED, R.STALE), False, 8),
        ((R.APPLIED, R.SKIPPED), False, 8),
        ((R.CHANGED, R.LOCKED), False, 8),
        ((R.ROLLED_BACK, R.REFUSED, R.LOCKED, R.STALE, R.UNREACHABLE), False, 5),
        ((R.CHANGED,), False, 5),
        ((R.CHANGED, R.UNCHANGED), False, 5),
        ((R.REFUSED, R.LOCKED, R.STALE, R.UNREACHABLE), False, 7),
        ((R.LOCKED, R.STALE, R.UNREACHABLE), False, 6),
        ((R.STALE, R.UNREACHABLE, R.UNCHANGED), False, 3),
        ((R.UNREACHABLE, R.UNCHANGED), False, 4),
        ((R.SKIPPED, R.UNCHANGED), False, 1),
    ],
)
def test_of_an_apply(results: tuple[Result, ...], interrupted: bool, code: int) -> None:
    outcomes = {str(n): Outcome(node=str(n), result=result) for n, result in enumerate(results)}
    assert of_apply(outcomes, interrupted=interrupted) == code
