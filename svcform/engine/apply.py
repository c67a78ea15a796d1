"""Apply: carry a plan out, node by node, in rolling batches.  Renders and re-plans nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import Event

from svcform.engine import fleet
from svcform.engine.observe import Opener
from svcform.engine.outcome import Outcome, Result
from svcform.engine.play_lock import Claim, hold, lock_nodes
from svcform.engine.progress import Progress, Remarks
from svcform.engine.run_node import RunOptions, run_node
from svcform.errors import Interrupted, LockHeld, NodeError, UsageError
from svcform.model.node import Node, Play
from svcform.plan import planfile
from svcform.plan.plan import Batch, NodePlan, Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyOptions:
    """How a plan is carried out; times are seconds.

    ``who`` and ``source`` go into the nodes' receipts and locks (``alice``, ``laptop.example``).
    ``lock_timeout`` is how long to wait for locks; ``on_wait`` is told a node and who holds its.
    ``on_silence`` and ``on_interrupt`` are as for :class:`RunOptions` and :func:`fleet.run`.
    ``checks`` and ``answer`` say how it is confirmed, as for :class:`RunOptions`.
    """

    forks: int = 32
    run_timeout: int = 300
    confirm_timeout: int = 30
    lock_timeout: int = 0
    who: str = ""
    source: str = ""
    on_wait: Callable[[str, str], None] | None = None
    on_silence: Callable[[str, int], None] | None = None
    on_interrupt: Callable[[Sequence[str]], None] | None = None
    checks: bool = False
    answer: Callable[[str, int], bool] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Which nodes an apply may touch, and how.

    Of a plan's nodes those in ``nodes`` are applied.  ``plays`` are the plan's, and ``play_nodes``
    all of their nodes, whatever ``--limit`` says: their first ones hold the plays' locks.
    """

    nodes: Mapping[str, Node]
    opener: Opener
    plays: Sequence[Play] = ()
    play_nodes: Mapping[str, Node] = field(default_factory=dict)


def apply_under_lock(
    plan: Plan, reach: Reach, options: ApplyOptions, progress: Progress | None = None
) -> Mapping[str, Outcome]:
    """As :func:`apply`, holding the plays' locks; who has one instead is in every outcome."""
    claim = Claim(
        plan=planfile.digest(plan),
        who=options.who,
        source=options.source,
        patience=options.lock_timeout,
        on_wait=options.on_wait,
    )
    wanted = [node for node in plan.nodes if node.node in reach.nodes]
    places = lock_nodes(replace(plan, nodes=tuple(wanted)), reach.plays)
    nodes = {**reach.play_nodes, **reach.nodes}
    try:
        with hold(places, nodes, reach.opener, claim) as still_held:
            return apply(plan, reach.nodes, reach.opener, options, progress, may_go_on=still_held)
    except LockHeld as error:
        return {node.node: _locked(node, error) for node in wanted}


def apply(
    plan: Plan,
    nodes: Mapping[str, Node],
    opener: Opener,
    options: ApplyOptions = ApplyOptions(),
    progress: Progress | None = None,
    *,
    may_go_on: Callable[[], bool] = lambda: True,
) -> Mapping[str, Outcome]:
    """Carry out the plan on those of its nodes that are in ``nodes``; one outcome each.

    Asks ``may_go_on`` before each batch.  Raises UsageError for a plan with refusals.
    """
    if plan.refusals:
        raise UsageError("The plan has refusals; it can't be applied.")
    plans = {node_plan.node: node_plan for node_plan in plan.nodes if node_plan.node in nodes}
    work = _Work(
        plans=plans,
        opener=opener,
        options=_run_options(plan, options),
        on_interrupt=options.on_interrupt,
    )
    outcomes: dict[str, Outcome] = {}
    stopped = False
    for batch in plan.batches or (Batch(nodes=tuple(plans)),):
        names = [name for name in batch.nodes if name in plans]
        if work.interrupted.is_set():
            outcomes.update((name, _as_outcome(name, _interrupted(name))) for name in names)
            continue
        if stopped or not may_go_on():
            why = "the run was stopped before." if stopped else _LOST
            outcomes.update((name, _skipped(name, why)) for name in names)
            continue
        done = work.run([nodes[name] for name in names], options.forks, progress)
        outcomes.update(done)
        stopped = _too_many_failed(batch, [done[name] for name in names])
    return outcomes


def _run_options(plan: Plan, options: ApplyOptions) -> RunOptions:
    return RunOptions(
        project=plan.project_id,
        plan=planfile.digest(plan),
        run_timeout=options.run_timeout,
        confirm_timeout=options.confirm_timeout,
        lock_timeout=options.lock_timeout,
        who=options.who,
        source=options.source,
        on_wait=options.on_wait,
        on_silence=options.on_silence,
        checks=options.checks,
        answer=options.answer,
    )


def _locked(plan: NodePlan, error: LockHeld) -> Outcome:
    if plan.is_empty:
        return Outcome(node=plan.node, result=Result.UNCHANGED)
    return Outcome(
        node=plan.node, result=Result.LOCKED, detail=str(error), remedy=error.remedy, error=error
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    plans: Mapping[str, NodePlan]
    opener: Opener
    options: RunOptions
    on_interrupt: Callable[[Sequence[str]], None] | None
    remarks: Remarks = field(default_factory=Remarks)
    interrupted: Event = field(default_factory=Event)

    def run(
        self, nodes: Sequence[Node], forks: int, progress: Progress | None
    ) -> Mapping[str, Outcome]:
        def done(node: Node, outcome: Outcome | NodeError) -> None:
            if progress:
                progress(node.name, _as_outcome(node.name, outcome).result.value)

        def interrupt(names: Sequence[str]) -> None:
            self.interrupted.set()
            if self.on_interrupt:
                self.on_interrupt(names)

        underway = fleet.begin(nodes, self._one, forks, self.remarks)
        wait = progress.wait if progress else None
        results = underway.outcomes(done, interrupt, wait)
        return {node.name: _as_outcome(node.name, results.get(node.name)) for node in nodes}

    def _one(self, node: Node) -> Outcome:
        listener = self.remarks.listener(node.name)
        options = replace(self.options, listener=listener, interrupted=self.interrupted)
        return run_node(self.plans[node.name], node, self.opener, options)


def _interrupted(name: str) -> Interrupted:
    return Interrupted(f"{name} was not started: interrupted.")


def _as_outcome(name: str, result: Outcome | NodeError | None) -> Outcome:
    if result is None:
        return _skipped(name)
    if isinstance(result, Outcome):
        return result
    if isinstance(result, Interrupted):
        return Outcome(node=name, result=Result.SKIPPED, detail=str(result), error=result)
    return Outcome(
        node=name,
        result=Result.UNREACHABLE,
        detail=str(result),
        remedy=result.remedy,
        error=result,
    )


_LOST = "the play's lock was lost, and another apply may have it: its node was out of reach."


def _skipped(name: str, why: str = "the run was stopped before.") -> Outcome:
    return Outcome(node=name, result=Result.SKIPPED, detail=f"It was not started: {why}")


def _too_many_failed(batch: Batch, outcomes: Sequence[Outcome]) -> bool:
    """Ansible's rule: the percentage must be exceeded; without one, all of the batch failed."""
    failed = sum(outcome.failed for outcome in outcomes)
    if not failed:
        return False
    if batch.max_fail_percentage is None:
        return failed == len(outcomes)
    return failed * 100 / len(outcomes) > batch.max_fail_percentage
