"""Host settings that Services need: sysctls, kernel modules, a route.  See README.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from svcform.backends.contract import Backend, Cut, Expressed, Probe, Reading, RenderInput
from svcform.backends.host import cuts, express, observe, render
from svcform.backends.host.objects import NAME
from svcform.backends.host.scripts import RESTORE, SAVE
from svcform.diagnostics import Diagnostic
from svcform.model.facts import Facts
from svcform.model.flow import Flow
from svcform.plan.snapshot import Snapshot
from svcform.policy.intent import Intent
from svcform.program.program import Checkpoint, Program


@dataclass(frozen=True, slots=True)
class HostBackend:
    """The backend of :mod:`svcform.backends.contract` for host settings."""

    name: str = NAME
    mode: None = None

    def probes(self) -> tuple[Probe, ...]:
        """One look."""
        return observe.probes()

    def read(self, readings: Mapping[str, Reading], facts: Facts) -> Snapshot:
        """The settings that svcform made."""
        return observe.read(readings, facts)

    def tell(self, readings: Mapping[str, Reading], facts: Facts) -> Facts:
        """The node's addresses without those that svcform gave it: they are none of the node's."""
        own = observe.own_addresses(readings)
        if not own:
            return facts
        return replace(facts, addresses=tuple(a for a in facts.addresses if a.address not in own))

    def express(self, intent: Intent, facts: Facts) -> Expressed:
        """The settings that the node's Services need."""
        return express.express(intent, facts)

    def render(self, inputs: RenderInput) -> Program:
        """The steps and their undo."""
        return render.render(inputs)

    def checkpoint(self) -> Checkpoint:
        """Record, values and routes."""
        return Checkpoint(backend=NAME, save=SAVE, restore=RESTORE)

    def find_cut(self, wanted: Snapshot, flow: Flow, facts: Facts) -> Cut | None:
        """The route for service addresses, where it would swallow answers."""
        return cuts.find_cut(wanted, flow, facts)

    def caveats(
        self, readings: Mapping[str, Reading], facts: Facts, intent: Intent
    ) -> tuple[Diagnostic, ...]:
        """None: nothing foreign defeats a host setting."""
        del readings, facts, intent
        return ()


HOST: Backend = HostBackend()
