"""Apply: carry a plan out, node by node, in rolling batches.  Renders and re-plans nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from svcform.engine import fleet
from svcform.engine.observe import Opener, Progress
from svcform.engine.outcome import Outcome, Result
from svcform.engine.run_node import RunOptions, run_node
from svcform.errors import Interrupted, NodeError, UsageError
from svcform.model.node import Node
from svcform.plan import planfile
from svcform.plan.plan import Batch, NodePlan, Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyOptions:
    """How a plan is carried out; times are seconds.

    ``who`` and ``source`` go into the nodes' receipts and locks (``alice``, ``laptop.example``).
    """

    forks: int = 32
    run_timeout: int = 300
    confirm_timeout: int = 30
    who: str = ""
    source: str = ""


def apply(
    plan: Plan,
    nodes: Mapping[str, Node],
    opener: Opener,
    options: ApplyOptions = ApplyOptions(),
    progress: Progress | None = None,
) -> Mapping[str, Outcome]:
    """Carry out the plan on those of its nodes that are in ``nodes``; one outcome each.

    Raises UsageError for a plan with refusals.
    """
    if plan.refusals:
        raise UsageError("The plan has refusals; it can't be applied.")
    plans = {node_plan.node: node_plan for node_plan in plan.nodes if node_plan.node in nodes}
    run_options = RunOptions(
        project=plan.project_id,
        plan=planfile.digest(plan),
        run_timeout=options.run_timeout,
        confirm_timeout=options.confirm_timeout,
        who=options.who,
        source=options.source,
    )
    outcomes: dict[str, Outcome] = {}
    stopped = False
    for batch in plan.batches or (Batch(nodes=tuple(plans)),):
        names = [name for name in batch.nodes if name in plans]
        if stopped:
            outcomes.update((name, _skipped(name)) for name in names)
            continue
        work = _Work(plans=plans, opener=opener, options=run_options)
        done = work.run([nodes[name] for name in names], options.forks, progress)
        outcomes.update(done)
        stopped = _too_many_failed(batch, [done[name] for name in names])
    return outcomes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    plans: Mapping[str, NodePlan]
    opener: Opener
    options: RunOptions

    def run(
        self, nodes: Sequence[Node], forks: int, progress: Progress | None
    ) -> Mapping[str, Outcome]:
        def done(node: Node, outcome: Outcome | NodeError) -> None:
            if progress:
                progress(node.name, _as_outcome(node.name, outcome).result.value)

        results = fleet.run(nodes, self._one, forks, on_done=done)
        return {node.name: _as_outcome(node.name, results.get(node.name)) for node in nodes}

    def _one(self, node: Node) -> Outcome:
        return run_node(self.plans[node.name], node, self.opener, self.options)


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


def _skipped(name: str) -> Outcome:
    return Outcome(
        node=name, result=Result.SKIPPED, detail="It was not started: the run was stopped before."
    )


def _too_many_failed(batch: Batch, outcomes: Sequence[Outcome]) -> bool:
    """Ansible's rule: the percentage must be exceeded; without one, all of the batch failed."""
    failed = sum(outcome.failed for outcome in outcomes)
    if not failed:
        return False
    if batch.max_fail_percentage is None:
        return failed == len(outcomes)
    return failed * 100 / len(outcomes) > batch.max_fail_percentage
