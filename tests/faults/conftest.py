"""A stand for each process that runs tests, and the table of outcomes at the end."""

from __future__ import annotations

import pytest

from tests.faults.faults import FAULTS
from tests.faults.modes import NFTABLES
from tests.faults.stand import stand
from tests.faults.steps import BY_MODE

_NODES = 6


@pytest.fixture(scope="session")
def nodes(tmp_path_factory):
    with stand(tmp_path_factory.mktemp("faults"), _NODES) as made:
        yield made


@pytest.fixture(scope="session")
def nftables_nodes(tmp_path_factory):
    with stand(tmp_path_factory.mktemp("faults"), _NODES // 2, NFTABLES) as made:
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
    for mode, rows in BY_MODE.items():
        if not any(key[0] == mode for key in cells):
            continue
        shown = [f for f in FAULTS if any(key[::2] == (mode, f.name) for key in cells)]
        terminalreporter.section(f"step x fault, {mode}: the node's state afterwards")
        terminalreporter.write_line(" " * 12 + " ".join(f"{f.name:10}" for f in shown))
        for step in rows:
            words = [cells.get((mode, step.name, fault.name), "") for fault in shown]
            terminalreporter.write_line(f"{step.name:12}" + " ".join(f"{w:10}" for w in words))
