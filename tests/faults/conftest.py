"""A stand for each process that runs tests, and the table of outcomes at the end."""

from __future__ import annotations

import pytest

from tests.faults.faults import FAULTS
from tests.faults.stand import stand
from tests.faults.steps import STEPS

_NODES = 8


@pytest.fixture(scope="session")
def nodes(tmp_path_factory):
    with stand(tmp_path_factory.mktemp("faults"), _NODES) as made:
        yield made


def pytest_terminal_summary(terminalreporter):
    """Print what became of the node in each cell that was run."""
    cells = {
        tuple(key.split("/")[1:]): value
        for reports in terminalreporter.stats.values()
        for report in reports
        for key, value in getattr(report, "user_properties", ())
        if key.startswith("fault/")
    }
    if not cells:
        return
    terminalreporter.section("step x fault: the node's state afterwards")
    terminalreporter.write_line(" " * 12 + " ".join(f"{f.name:10}" for f in FAULTS))
    for step in STEPS:
        words = [cells.get((step.name, fault.name), "") for fault in FAULTS]
        if any(words):
            terminalreporter.write_line(f"{step.name:12}" + " ".join(f"{w:10}" for w in words))
