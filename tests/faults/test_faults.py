"""Whatever happens at whichever step: the node is its old state or its new one, and usable."""

from __future__ import annotations

import pytest

from tests.faults.faults import FAULTS
from tests.faults.steps import STEPS
from tests.faults.table import expected, fits

pytestmark = pytest.mark.root


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_no_fault_strands_a_node(nodes, step, record_property):
    outcomes = expected()
    cells = [(step, fault) for fault in FAULTS if outcomes[step.name, fault.name] != "-"]

    found = nodes.run_all(cells)

    wrong = {}
    for (row, column), entry in found.items():
        record_property(f"fault/{row}/{column}", entry.state)
        if entry.wrong or not fits(outcomes[row, column], entry.state):
            wrong[column] = (entry.state, entry.wrong, entry.said, entry.log)
    assert wrong == {}
