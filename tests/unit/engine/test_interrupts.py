"""Ctrl-C starts nothing more: no node of a later batch, none that waits, none by half a reading."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Mapping

import pytest

from svcform.cli.applying import exit_code
from svcform.engine import apply as applying
from svcform.engine import fleet, observe
from svcform.engine.apply import ApplyOptions, apply
from svcform.engine.exit_code import ExitCode
from svcform.engine.outcome import Outcome, Result
from svcform.engine.run_node import RunOptions, _Run
from svcform.model.node import Connection, Node
from svcform.model.settings import Settings
from svcform.plan.plan import Batch, NodePlan, Plan
from svcform.transport.contract import Session

NODES: Mapping[str, Node] = {
    name: Node(name=name, connection=Connection(host="h"), settings=Settings(), plays=(0,))
    for name in "abc"
}
PLAN = Plan(
    project_id="p",
    nodes=tuple(NodePlan(node=name) for name in NODES),
    batches=tuple(Batch(nodes=(name,)) for name in NODES),
)


def opener(node: Node) -> Session:
    raise AssertionError(node)


def interrupt_in(seconds: float) -> None:
    threading.Timer(seconds, lambda: os.kill(os.getpid(), signal.SIGINT)).start()


def test_no_later_batch_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where Ctrl-C comes just when the batch ends."""
    started = []

    def run(plan: NodePlan, node: Node, opener: object, options: RunOptions) -> Outcome:
        started.append(node.name)
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGINT)
        return Outcome(node=node.name, result=Result.APPLIED)

    monkeypatch.setattr(applying, "run_node", run)
    outcomes = apply(PLAN, NODES, opener)
    assert started == ["a"]
    assert [outcome.result for outcome in outcomes.values()] == [
        Result.APPLIED,
        Result.SKIPPED,
        Result.SKIPPED,
    ]
    assert exit_code(outcomes) == ExitCode.INTERRUPTED


def test_a_node_that_waits_for_its_lock_is_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(run: _Run) -> Outcome:
        return Outcome(node=run.node.name, result=Result.LOCKED, detail="bob has it.")

    def run(plan: NodePlan, node: Node, opener: observe.Opener, options: RunOptions) -> Outcome:
        return _Run(plan=plan, node=node, opener=opener, options=options).carry_out_when_free()

    monkeypatch.setattr(_Run, "carry_out", locked)
    monkeypatch.setattr(applying, "run_node", run)
    interrupt_in(0.2)
    begun = time.monotonic()
    outcomes = apply(PLAN, NODES, opener, ApplyOptions(lock_timeout=30))
    assert time.monotonic() - begun < 10
    assert {outcome.result for outcome in outcomes.values()} == {Result.SKIPPED}
    assert exit_code(outcomes) == ExitCode.INTERRUPTED


def test_nobody_goes_on_from_a_reading_that_was_interrupted() -> None:
    underway: fleet.Underway[observe.Observation] = fleet.begin(
        list(NODES.values()),
        lambda _: time.sleep(30),  # type: ignore[arg-type, return-value]
    )
    begun = time.monotonic()
    interrupt_in(0.2)
    with pytest.raises(KeyboardInterrupt):
        observe.finish(underway)
    assert time.monotonic() - begun < 10
