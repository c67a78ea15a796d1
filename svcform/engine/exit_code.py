"""The exit code of a run: the first row of the design's table that applies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum

from svcform.engine.outcome import Outcome, Result
from svcform.plan.node_status import IN_STEP, NodeStatus
from svcform.plan.plan import Plan


class ExitCode(IntEnum):
    """What the exit codes mean; documented in ``docs/exit-codes.md``."""

    OK = 0
    ERROR = 1
    CHANGES = 2
    STALE = 3
    UNREADABLE = 4
    ROLLED_BACK = 5
    LOCKED = 6
    REFUSED = 7
    PARTIAL = 8
    INTERRUPTED = 130


def of_plan(plan: Plan, *, detailed: bool = False) -> ExitCode:
    """The exit code of ``plan``; ``detailed`` is ``--detailed-exitcode``."""
    problems = {node.problem.reason for node in plan.nodes if node.problem}
    # SVC503 is about nodes that can't be read, and says so already.
    refused = any(finding.code != "SVC503" for finding in plan.refusals)
    if refused or "ownership" in problems:
        return ExitCode.REFUSED
    if "input" in problems:
        return ExitCode.ERROR
    if problems:
        return ExitCode.UNREADABLE
    if detailed and not plan.is_empty:
        return ExitCode.CHANGES
    return ExitCode.OK


def of_status(plan: Plan, nodes: Iterable[NodeStatus]) -> ExitCode:
    """The exit code of ``status``: as ``plan --detailed-exitcode``; 2 while an apply runs, too."""
    code = of_plan(plan, detailed=True)
    if code is ExitCode.OK and any(node.words != IN_STEP for node in nodes):
        return ExitCode.CHANGES
    return code


_BY_RESULT = (
    (ExitCode.ROLLED_BACK, frozenset({Result.ROLLED_BACK, Result.CHANGED, Result.UNKNOWN})),
    (ExitCode.REFUSED, frozenset({Result.REFUSED})),
    (ExitCode.LOCKED, frozenset({Result.LOCKED})),
    (ExitCode.STALE, frozenset({Result.STALE})),
    (ExitCode.UNREADABLE, frozenset({Result.UNREACHABLE})),
)


def of_apply(outcomes: Mapping[str, Outcome], *, interrupted: bool = False) -> ExitCode:
    """The exit code of ``apply`` and ``destroy``.

    A node that has nothing to do counts for neither side of "some changed and some did not".
    """
    if interrupted:
        return ExitCode.INTERRUPTED
    results = {outcome.result for outcome in outcomes.values()} - {Result.UNCHANGED}
    changed = results & {Result.APPLIED, Result.CHANGED, Result.UNKNOWN}
    failed = any(outcome.failed for outcome in outcomes.values())
    if changed and failed and len(results) > 1:
        return ExitCode.PARTIAL
    for code, members in _BY_RESULT:
        if results & members:
            return code
    return ExitCode.ERROR if failed else ExitCode.OK
