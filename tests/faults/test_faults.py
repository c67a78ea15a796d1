"""Whatever happens at whichever step: the node is its old state or its new one, and usable."""

from __future__ import annotations

import pytest

from tests.faults.table import cells, expected, fits

pytestmark = pytest.mark.root


def test_no_fault_strands_a_node(nodes, record_property):
    judge(nodes, "iptables", record_property)


def test_no_fault_strands_a_node_in_nftables_mode(nftables_nodes, record_property):
    judge(nftables_nodes, "nftables", record_property)


def judge(nodes, mode, record_property):
    outcomes = expected(mode)

    found = nodes.run_all(cells(mode))

    wrong = {}
    for (row, column), entry in found.items():
        record_property(f"fault/{mode}/{row}/{column}", entry.state)
        if entry.wrong or not fits(outcomes[row, column], entry.state):
            wrong[row, column] = (entry.state, entry.wrong, entry.said, entry.again, entry.log)
    assert wrong == {}, "\n".join(f"{cell}: {told}" for cell, told in wrong.items())
