"""Services in nftables: what this backend owns on a node and how is in its README."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from svcform.backends.contract import Cut, Expressed, Probe, Reading, RenderInput
from svcform.backends.proxy.nftables import caveats, checkpoint, cuts, express, observe, render
from svcform.backends.proxy.nftables.objects import BACKEND
from svcform.diagnostics import Diagnostic
from svcform.model.facts import Facts
from svcform.model.flow import Flow
from svcform.model.settings import ProxyMode
from svcform.plan.snapshot import Snapshot
from svcform.policy.intent import Intent
from svcform.program.program import Checkpoint, Program


@dataclass(frozen=True, slots=True)
class NftablesBackend:
    """The proxy mode ``nftables``."""

    name: str = BACKEND
    mode: ProxyMode | None = ProxyMode.NFTABLES

    def probes(self) -> tuple[Probe, ...]:
        """Listings of both families, and of foreign tables."""
        return (*observe.probes(), *caveats.probes())

    def read(self, readings: Mapping[str, Reading], facts: Facts) -> Snapshot:
        """All that is in our tables."""
        del facts
        return observe.read(readings)

    def express(self, intent: Intent, facts: Facts) -> Expressed:
        """The elements, sets and chains that the intent asks for."""
        return express.express(intent, facts)

    def render(self, inputs: RenderInput) -> Program:
        """Scripts for nft."""
        return render.render(inputs)

    def checkpoint(self) -> Checkpoint:
        """Keeps and puts back both tables."""
        return Checkpoint(backend=BACKEND, save=checkpoint.SAVE, restore=checkpoint.RESTORE)

    def find_cut(self, wanted: Snapshot, flow: Flow, facts: Facts) -> Cut | None:
        """The element that would send the flow elsewhere, drop it or reject it."""
        return cuts.find_cut(wanted, flow, facts)

    def caveats(
        self, readings: Mapping[str, Reading], facts: Facts, intent: Intent
    ) -> tuple[Diagnostic, ...]:
        """What on the node would keep the mode from working."""
        return caveats.caveats(readings, facts, intent)


NFTABLES = NftablesBackend()
