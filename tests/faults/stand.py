"""A lab whose nodes are all in the old state, and one plan that leads each to the new one."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from svcform.lab import lab as labs
from svcform.lab.spec import LabSpec, NodeSpec
from tests.faults.cell import Found, Known, run_cell
from tests.faults.faults import Fault
from tests.faults.modes import IPTABLES, Mode
from tests.faults.node import IN_TABLE, Node
from tests.faults.scenario import PATIENT, Project
from tests.faults.steps import Step


@dataclass(slots=True)
class Stand:
    """Cells run on any of its nodes that is free."""

    project: Project
    baseline: dict[str, Any]
    nodes: list[Node]
    free: queue.SimpleQueue[Node] = field(default_factory=queue.SimpleQueue)

    def run(self, step: Step, fault: Fault, known: Known) -> Found:
        node = self.free.get()
        try:
            return run_cell(known, node, step, fault)
        finally:
            self.free.put(node)

    def run_all(
        self,
        cells: Iterable[tuple[Step, Fault]],
        tell: Callable[[Step, Fault, Found], None] = lambda *_: None,
    ) -> dict[tuple[str, str], Found]:
        known = Known(project=self.project, baseline=self.baseline)

        def one(cell: tuple[Step, Fault]) -> tuple[tuple[str, str], Found]:
            began = time.monotonic()
            found = self.run(*cell, known)
            found.seconds = time.monotonic() - began
            tell(*cell, found)
            return (cell[0].name, cell[1].name), found

        with ThreadPoolExecutor(len(self.nodes)) as pool:
            return dict(pool.map(one, cells))


@contextmanager
def stand(directory: Path, count: int, mode: Mode = IPTABLES) -> Iterator[Stand]:
    """Bring everything up, and take all of it down again, whatever happens."""
    names = [f"n{number}" for number in range(1, count + 1)]
    spec = LabSpec(directory=directory / "lab", nodes=tuple(NodeSpec(name=n) for n in names))
    lab = labs.up(spec)
    try:
        for name in names:
            lab.run(name, ["iptables-nft", *IN_TABLE.split()])
        project = Project(lab, directory / "project", mode.name)
        baseline = project.prepare()
        made = Stand(project, baseline, [Node(lab, name, mode) for name in names])
        for node in made.nodes:
            node.remember()
        applied = project.svcform("apply", "change.plan", *PATIENT)
        assert applied.code == 0, applied.err
        for node in made.nodes:
            node.learn()
            made.free.put(node)
        yield made
    finally:
        labs.down(spec.directory)
