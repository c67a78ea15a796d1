"""Services in IPVS: what this backend owns on a node and how is in its README."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from svcform.backends.contract import Cut, Expressed, Probe, Reading, RenderInput
from svcform.backends.proxy.ipvs import caveats, checkpoint, cuts, express, observe, render
from svcform.backends.proxy.ipvs.objects import BACKEND
from svcform.diagnostics import Diagnostic
from svcform.model.facts import Facts
from svcform.model.flow import Flow
from svcform.model.settings import ProxyMode
from svcform.plan.snapshot import Snapshot
from svcform.policy.intent import Intent
from svcform.program.program import Checkpoint, Program


@dataclass(frozen=True, slots=True)
class IpvsBackend:
    """The proxy mode ``ipvs``."""

    name: str = BACKEND
    mode: ProxyMode | None = ProxyMode.IPVS

    def probes(self) -> tuple[Probe, ...]:
        """Virtual services, sets, routing."""
        return observe.probes()

    def read(self, readings: Mapping[str, Reading], facts: Facts) -> Snapshot:
        """All that is ours and not leaving."""
        del facts
        return observe.read(readings)

    def express(self, intent: Intent, facts: Facts) -> Expressed:
        """The virtual services, sets and elements that the intent asks for."""
        return express.express(intent, facts)

    def render(self, inputs: RenderInput) -> Program:
        """Input for ipset and ipvsadm."""
        return render.render(inputs)

    def checkpoint(self) -> Checkpoint:
        """Keeps and puts back all of ours."""
        return Checkpoint(backend=BACKEND, save=checkpoint.SAVE, restore=checkpoint.RESTORE)

    def find_cut(self, wanted: Snapshot, flow: Flow, facts: Facts) -> Cut | None:
        """The element that would send the flow elsewhere, drop it or reject it."""
        return cuts.find_cut(wanted, flow, facts)

    def caveats(
        self, readings: Mapping[str, Reading], facts: Facts, intent: Intent
    ) -> tuple[Diagnostic, ...]:
        """Foreign virtual services that are in the way, and a kernel that drops marked packets."""
        return caveats.caveats(readings, facts, intent)


IPVS = IpvsBackend()
