"""What a step waits is none of the time that a run may take."""

from __future__ import annotations

from svcform.engine.run_node import RunOptions, _Run
from svcform.model.node import Connection, Node
from svcform.model.settings import Settings
from svcform.plan.plan import NodePlan
from svcform.program.program import Phase, Program, Step
from svcform.transport.contract import Session


def _nobody(node: Node) -> Session:
    raise AssertionError(node.name)


def test_the_run_timeout_is_longer_by_what_the_steps_wait():
    steps = [
        Step(backend="b", phase=Phase.MAKE, summary="s", command=("true",), waits=waits)
        for waits in (0, 30, 5)
    ]
    run = _Run(
        plan=NodePlan(node="n1", program=Program(steps=tuple(steps))),
        node=Node(
            name="n1", connection=Connection(host="192.0.2.1"), settings=Settings(), plays=(0,)
        ),
        opener=_nobody,
        options=RunOptions(
            project="p", plan="d", run_timeout=300, confirm_timeout=30, who="w", source="s"
        ),
    )

    assert run._request("run", "nonce").meta["run_timeout"] == "335"
