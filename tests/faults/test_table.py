"""The table in the documentation is the one that the tests hold svcform to."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults import faults, steps, table

PAGE = Path(__file__).parents[2] / "docs/reliability.md"


def test_every_step_meets_every_fault():
    assert list(table.expected()) == [
        (step.name, fault.name) for step in steps.STEPS for fault in faults.FAULTS
    ]


@pytest.mark.parametrize("mode", table.OUTCOMES)
def test_the_page_shows_the_table_that_is_tested(mode):
    assert table.markdown(mode) in PAGE.read_text()


def test_the_page_says_why_a_cell_makes_no_sense():
    page = PAGE.read_text()
    missing = {fault for (_, fault), word in table.expected().items() if word == "-"}
    assert missing == set(table.SENSELESS)
    assert all(why in page for why in table.SENSELESS.values())
