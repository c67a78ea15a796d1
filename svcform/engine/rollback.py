"""Rollback: a plan that puts back the confirmed state of before a node's last apply."""

from __future__ import annotations

from dataclasses import dataclass

from svcform.backends.registry import BACKENDS, RESTORED
from svcform.diagnostics import Diagnostic
from svcform.engine.drift import left
from svcform.engine.lockout import find_recorded_cuts
from svcform.engine.observe import Observation, Opener, observe
from svcform.engine.ownership import check_ownership
from svcform.engine.progress import Progress
from svcform.engine.propose import ProposeOptions
from svcform.engine.verify import STATE, read_live, state_object
from svcform.errors import NodeError, ReadingFailed
from svcform.model.node import Node
from svcform.plan.diff import Change
from svcform.plan.digests import SnapshotDigests
from svcform.plan.guard import guard_deletions, guard_lockout, guard_renumbering
from svcform.plan.plan import NodeBinding, NodePlan, Plan
from svcform.plan.receipt import Receipt
from svcform.plan.services_tsv import read_rows
from svcform.policy import table
from svcform.program.bundle import rollback_script
from svcform.program.layout import LAYOUT
from svcform.program.program import Fingerprint, Phase, Program, Step
from svcform.program.reading import shell_source

_NOTHING = 90
_GUARDED = ProposeOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    """The plan, and the receipt of the apply whose state it puts back, as far as it is known."""

    plan: Plan
    to: Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class _Previous:
    """The state of before: what is known of its apply, its table, and the bytes that said so."""

    meta: dict[str, str]
    table: bytes
    answer: bytes


def propose_rollback(
    node: Node,
    opener: Opener,
    project_id: str,
    allowed: ProposeOptions = _GUARDED,
    progress: Progress | None = None,
) -> Rollback:
    """Read the node and plan its way back; guards that speak up are in the plan's refusals.

    Raises NodeError where it can't be read or is not this project's, and where it keeps no state
    of before.
    """
    seen = observe([node], opener, progress=progress)[node.name]
    if not isinstance(seen, Observation):
        raise seen
    live = [read_live(backend, seen) for backend in BACKENDS]
    check_ownership(seen.recorded, live, project_id, take_over=False)
    previous = _read_previous(node, opener)
    to = _receipt(previous, seen.recorded.receipts)
    before, after = SnapshotDigests().of(live), to.after
    rows = read_rows(previous.table)
    changes = () if before == after else (_change(before, after),)
    node_plan = NodePlan(
        node=node.name,
        plays=node.plays,
        binding=NodeBinding(
            connection=node.connection.kind,
            address=seen.binding.address,
            port=seen.binding.port,
            host_key=seen.binding.host_key,
            machine_id=seen.facts.machine_id,
        ),
        changes=changes,
        service_changes=table.compare(seen.recorded.services, rows),
        services=rows,
        program=_program(previous),
        checkpoints=tuple(backend.checkpoint() for backend in RESTORED),
        layout=seen.recorded.layout,
        project=seen.recorded.project_id,
        before=before,
        after=after,
        cuts=find_recorded_cuts(node.settings, seen.facts, rows),
    )
    plan = Plan(project_id=project_id, nodes=(node_plan,), refusals=_refusals([node_plan], allowed))
    return Rollback(plan=plan, to=to)


def _refusals(nodes: list[NodePlan], allowed: ProposeOptions) -> tuple[Diagnostic, ...]:
    return (
        *(() if allowed.allow_deletions else guard_deletions(nodes)),
        *(() if allowed.allow_lockout else guard_lockout(nodes)),
        *(() if allowed.allow_renumber else guard_renumbering(nodes)),
    )


def _read_previous(node: Node, opener: Opener) -> _Previous:
    with opener(node) as session:
        result = session.exec(shell_source("previous.sh"))
    if result.code == _NOTHING:
        raise NodeError(
            "The node keeps no state of before: it had fewer than two applies.",
            remedy="Go back in Git, and apply what was there.",
        )
    if result.code:
        said = result.stderr.decode(errors="replace").strip()[-300:]
        raise ReadingFailed(f"The state of before can't be read: {said}")
    lines = [line.partition(b"\t") for line in result.stdout.splitlines(keepends=True)]
    meta = [
        rest.decode(errors="replace").rstrip("\n") for word, _, rest in lines if word == b"meta"
    ]
    pairs = {key: value for key, _, value in (line.partition("\t") for line in meta)}
    if pairs.get("layout") != str(LAYOUT):
        raise NodeError(
            f"The node keeps a state of layout {pairs.get('layout')}, and this svcform "
            f"knows layout {LAYOUT}.",
            remedy="Go back in Git, and apply what was there.",
        )
    rows = b"".join(rest for word, _, rest in lines if word == b"row")
    return _Previous(meta=pairs, table=rows, answer=result.stdout)


def _receipt(previous: _Previous, receipts: tuple[Receipt, ...]) -> Receipt:
    """The receipt of the apply that made the state; ``after`` is the digest of that state."""
    meta = previous.meta
    for place, receipt in enumerate(receipts):
        if receipt.run == meta.get("run") and left(receipts[: place + 1]) is not None:
            return receipt
    return Receipt(
        number=0,
        run=meta.get("run", ""),
        plan=meta.get("plan", ""),
        who=meta.get("who", ""),
        source=meta.get("source", ""),
        after=meta.get("after", ""),
    )


def _change(before: str, after: str) -> Change:
    return Change(STATE, state_object(before), state_object(after))


def _program(previous: _Previous) -> Program:
    """One step that runs what the node keeps; stale where another apply came between."""
    step = Step(
        backend=STATE.backend,
        phase=Phase.SWITCH,
        summary="put back the state of before the last apply",
        command=("sh", "-c", rollback_script()),
    )
    fingerprint = Fingerprint(
        backend=STATE.backend,
        script=shell_source("previous.sh"),
        operands=b"",
        expected=previous.answer,
    )
    return Program(steps=(step,), fingerprints=(fingerprint,))
