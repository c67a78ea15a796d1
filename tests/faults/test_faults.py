"""Whatever happens at whichever step: the node is its old state or its new one, and usable."""

from __future__ import annotations

import pytest

from tests.faults.steps import NFTABLES_STEPS, STEPS
from tests.faults.table import columns, expected, fits

pytestmark = pytest.mark.root

PARTS = 4


@pytest.mark.parametrize("part", range(PARTS))
def test_no_fault_strands_a_node(nodes, part, record_property):
    """Each part has every fourth step, so that nodes don't wait for one row's slowest cell."""
    judge(nodes, STEPS[part::PARTS], "iptables", record_property)


def test_no_fault_strands_a_node_in_nftables_mode(nftables_nodes, record_property):
    judge(nftables_nodes, NFTABLES_STEPS, "nftables", record_property)


def judge(nodes, steps, mode, record_property):
    outcomes = expected(mode)
    cells = [
        (step, fault)
        for fault in columns(mode)
        for step in steps
        if outcomes[step.name, fault.name] != "-"
    ]

    found = nodes.run_all(cells)

    wrong = {}
    for (row, column), entry in found.items():
        record_property(f"fault/{mode}/{row}/{column}", entry.state)
        if entry.wrong or not fits(outcomes[row, column], entry.state):
            wrong[row, column] = (entry.state, entry.wrong, entry.said, entry.again, entry.log)
    assert wrong == {}
