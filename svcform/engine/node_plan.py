"""The plan of one node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from svcform.backends.contract import Backend, Narrowing, RenderInput
from svcform.backends.registry import BACKENDS, RESTORED
from svcform.diagnostics import Diagnostic, Severity, errors
from svcform.engine.connections import forget_connections, forget_holder, with_repaired
from svcform.engine.drift import drift, left
from svcform.engine.lockout import find_cuts
from svcform.engine.node_checks import check_node
from svcform.engine.observe import Observation
from svcform.engine.ownership import check_ownership, claims
from svcform.engine.shared import Shared
from svcform.errors import NodeError, ToolMissing
from svcform.model.node import Node
from svcform.plan.diff import Change
from svcform.plan.order import join_programs
from svcform.plan.plan import NodeBinding, NodePlan, Problem
from svcform.plan.services import ServiceRow
from svcform.plan.snapshot import ObjectAddress, Snapshot
from svcform.policy import table
from svcform.policy.intent import Intent
from svcform.program.program import Program

#: A program that a backend needs is not there; the way out is on the node, and not in the input.
_TOOL_MISSING = frozenset({"SVC462", "SVC463", "SVC472", "SVC473"})
_FORWARDING = ObjectAddress("host", ("sysctl", "net.ipv4.ip_forward"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One node to plan: what it should be, and what it is.

    With ``is_targeted`` only those Services change; with ``destroys`` they go.
    """

    node: Node
    intent: Intent
    observation: Observation
    project_id: str
    take_over: bool = False
    is_targeted: Callable[[str], bool] | None = None
    destroys: bool = False


def plan_node(task: Task, shared: Shared) -> NodePlan:
    """The plan, or why there is none; never raises for a node."""
    try:
        return _plan(task, shared)
    except NodeError as error:
        return node_problem(task.node, error)


def node_problem(node: Node, error: NodeError) -> NodePlan:
    """The plan of a node that can't be planned."""
    problem = Problem(reason=error.reason, message=str(error), remedy=error.remedy)
    return NodePlan(node=node.name, plays=node.plays, problem=problem)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """One backend on the node: what is there, what should be, and the way."""

    backend: Backend
    live: Snapshot
    wanted: Snapshot
    changes: tuple[Change, ...]
    diagnostics: tuple[Diagnostic, ...]


def _plan(task: Task, shared: Shared) -> NodePlan:
    observation, recorded = task.observation, task.observation.recorded
    live = [shared.live(backend, observation) for backend in BACKENDS]
    check_ownership(recorded, live, task.project_id, take_over=task.take_over)
    sides = [
        _side(task, backend, found, shared) for backend, found in zip(BACKENDS, live, strict=True)
    ]
    diagnostics = (
        *check_node(task.intent, observation.facts),
        *(finding for side in sides for finding in side.diagnostics),
    )
    base = NodePlan(node=task.node.name, plays=task.node.plays, diagnostics=diagnostics)
    if wrong := errors(diagnostics):
        message = " ".join(finding.detail for finding in wrong)
        missing = all(finding.code in _TOOL_MISSING for finding in wrong)
        reason = ToolMissing.reason if missing else "input"
        return replace(base, problem=Problem(reason=reason, message=message))
    after_rows = table.rows(task.intent) if task.intent.wanted else ()
    service_changes = shared.service_changes(recorded.services, after_rows)
    changes = shared.joined([side.changes for side in sides])
    # Without changes both mean the same, and what is wanted is canonical already.
    before = shared.digests.of(side.live if side.changes else side.wanted for side in sides)
    drifted = drift(changes, service_changes, left(recorded.receipts), before)
    clients = with_repaired(service_changes, after_rows) if drifted else service_changes
    program = join_programs(
        [
            *(_program(side, task, shared) for side in sides),
            forget_connections(clients, task.intent, observation.facts),
            _forget_holder(sides, (*recorded.services, *after_rows), task),
        ]
    )
    return replace(
        base,
        binding=_binding(task),
        changes=changes,
        service_changes=service_changes,
        services=tuple(after_rows),
        program=program,
        checkpoints=tuple(backend.checkpoint() for backend in RESTORED),
        diagnostics=(
            *diagnostics,
            *_forwarding_notice(task, changes),
            *_waiting_notice(task, program),
        ),
        drift=drifted,
        absent=not task.intent.wanted,
        layout=recorded.layout,
        project=recorded.project_id,
        before=before,
        after=shared.digests.of(side.wanted for side in sides),
        locked_by=str(recorded.lock) if recorded.lock and recorded.lock.alive else "",
        cuts=find_cuts(
            task.intent, observation.facts, ((side.backend, side.wanted) for side in sides)
        ),
        claims=claims(recorded, task.project_id),
    )


def _side(task: Task, backend: Backend, live: Snapshot, shared: Shared) -> _Side:
    observation = task.observation
    expressed = backend.express(task.intent, observation.facts)
    readings = {probe.name: observation.readings[probe.name] for probe in backend.probes()}
    wanted = shared.wanted(_narrowed(task, backend, live, expressed.wanted))
    caveats = backend.caveats(readings, observation.facts, task.intent) if wanted else ()
    return _Side(
        backend=backend,
        live=live,
        wanted=wanted,
        changes=shared.compare(live, wanted),
        diagnostics=(*expressed.diagnostics, *caveats),
    )


def _narrowed(task: Task, backend: Backend, live: Snapshot, wanted: Snapshot) -> Snapshot:
    """What a backend has besides the intent's ports, which are narrowed already."""
    if task.is_targeted is None or not isinstance(backend, Narrowing):
        return wanted
    return backend.narrow(live, wanted, task.is_targeted, destroy=task.destroys)


def _program(side: _Side, task: Task, shared: Shared) -> Program:
    if not side.changes:
        return Program()
    observation = task.observation
    readings = {probe.name: observation.readings[probe.name] for probe in side.backend.probes()}
    return shared.program(
        side.backend,
        RenderInput(
            changes=side.changes,
            live=side.live,
            wanted=side.wanted,
            readings=readings,
            facts=observation.facts,
            drain_wait=task.intent.settings.drain_wait,
        ),
    )


def _forget_holder(sides: Sequence[_Side], rows: Sequence[ServiceRow], task: Task) -> Program:
    """What ends connections that a mode holds itself, where it leaves or comes."""
    holders = [side for side in sides if side.backend.mode and side.backend.mode.holds_connections]
    leaves = next((x.backend.mode for x in holders if x.live and not x.wanted), None)
    comes = any(side.wanted and not side.live for side in holders)
    if not (leaves or comes) or "conntrack" not in task.observation.facts.tools:
        return Program()
    return forget_holder(rows, task.intent, leaves=leaves, comes=comes)


def _binding(task: Task) -> NodeBinding:
    binding, facts = task.observation.binding, task.observation.facts
    return NodeBinding(
        connection=task.node.connection.kind,
        address=binding.address,
        port=binding.port,
        host_key=binding.host_key,
        machine_id=facts.machine_id,
    )


def _forwarding_notice(task: Task, changes: Sequence[Change]) -> tuple[Diagnostic, ...]:
    if not any(change.address == _FORWARDING and change.after is None for change in changes):
        return ()
    return (
        Diagnostic(
            "SVC458",
            Severity.NOTICE,
            "IP forwarding stays on",
            f"net.ipv4.ip_forward stays on at {task.node.name}: others may need it by now. Switch "
            "it off by hand if nobody does.",
        ),
    )


def _waiting_notice(task: Task, program: Program) -> tuple[Diagnostic, ...]:
    if not program.waits:
        return ()
    parts = "; ".join(f"{step.waits} s, {step.summary}" for step in program.steps if step.waits)
    return (
        Diagnostic(
            "SVC465",
            Severity.NOTICE,
            "The apply waits",
            f"On {task.node.name} it waits with its changes half done: {parts}.",
        ),
    )
