"""Services by proxies in user space: HAProxy for TCP, nginx for UDP.  See README.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from svcform.backends.contract import Cut, Expressed, Probe, Reading, RenderInput
from svcform.backends.proxy.userspace import caveats, express, observe, render
from svcform.backends.proxy.userspace.objects import NAME
from svcform.backends.proxy.userspace.scripts import RESTORE, SAVE
from svcform.diagnostics import Diagnostic
from svcform.model.facts import Facts
from svcform.model.flow import Flow
from svcform.model.settings import ProxyMode
from svcform.plan.snapshot import Snapshot
from svcform.policy.intent import Intent
from svcform.program.program import Checkpoint, Program


@dataclass(frozen=True, slots=True)
class UserspaceBackend:
    """The proxy mode ``userspace``."""

    name: str = NAME
    mode: ProxyMode | None = ProxyMode.USERSPACE

    def probes(self) -> tuple[Probe, ...]:
        """One look."""
        return observe.probes()

    def read(self, readings: Mapping[str, Reading], facts: Facts) -> Snapshot:
        """Listeners, endpoints, files, and whether the servers run."""
        return observe.read(readings, facts)

    def tell(self, readings: Mapping[str, Reading], facts: Facts) -> Facts:
        """How many files the servers may open."""
        return replace(facts, open_files=observe.open_files(readings))

    def express(self, intent: Intent, facts: Facts) -> Expressed:
        """The same as they should be."""
        return express.express(intent, facts)

    def render(self, inputs: RenderInput) -> Program:
        """The files of the Services concerned, and reloads."""
        return render.render(inputs)

    def checkpoint(self) -> Checkpoint:
        """Copies of all files, and which servers run."""
        return Checkpoint(backend=NAME, save=SAVE, restore=RESTORE)

    def find_cut(self, wanted: Snapshot, flow: Flow, facts: Facts) -> Cut | None:
        """None: what leads packets to the proxies is other backends', which are asked."""
        del wanted, flow, facts
        return None

    def caveats(
        self, readings: Mapping[str, Reading], facts: Facts, intent: Intent
    ) -> tuple[Diagnostic, ...]:
        """What keeps the servers from running there."""
        return caveats.caveats(readings, facts, intent)


USERSPACE = UserspaceBackend()
