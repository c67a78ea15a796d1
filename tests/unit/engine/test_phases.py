"""A run that had not ended when it was asked is no failure, and nobody says it is one."""

from __future__ import annotations

import pytest

from svcform.engine.ask_runner import Answer, Line
from svcform.engine.outcome import Result
from svcform.engine.run_node import RunOptions, _Run
from svcform.model.node import Connection, Node
from svcform.model.settings import Settings
from svcform.plan.plan import NodePlan
from svcform.transport.contract import Binding, Session


def _nobody(node: Node) -> Session:
    raise AssertionError(node.name)


@pytest.mark.parametrize("phase", ["running", "committing", "restoring"])
def test_a_phase_says_nothing_of_the_end(phase: str) -> None:
    node = Node(name="n1", connection=Connection(host="h"), settings=Settings(), plays=(0,))
    options = RunOptions(
        project="p", plan="d", run_timeout=300, confirm_timeout=30, who="w", source="s"
    )
    run = _Run(plan=NodePlan(node="n1"), node=node, opener=_nobody, options=options)
    line = Line(node=node, opener=_nobody, binding=Binding(address="h", port=22), run="0")
    said = Answer(outcome=phase, detail="", journal=(), reading=b"")

    outcome = run._heard(line, said, "nonce")

    assert outcome.result is Result.UNKNOWN
    assert phase in outcome.detail
    assert "Plan again" in outcome.remedy
