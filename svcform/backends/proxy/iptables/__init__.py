"""Services in iptables: what this backend owns on a node and how is in its README."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from svcform.backends.contract import Cut, Expressed, Probe, Reading, RenderInput
from svcform.backends.proxy.iptables import checks, cuts, express, observe, render, scripts
from svcform.backends.proxy.iptables.closed import closed
from svcform.backends.proxy.iptables.objects import BACKEND
from svcform.diagnostics import Diagnostic
from svcform.model.facts import Facts
from svcform.model.flow import Flow
from svcform.model.settings import ProxyMode
from svcform.plan.snapshot import Snapshot
from svcform.policy.intent import Intent
from svcform.program.program import Checkpoint, Program


@dataclass(frozen=True, slots=True)
class IptablesBackend:
    """The proxy mode ``iptables``."""

    name: str = BACKEND
    mode: ProxyMode | None = ProxyMode.IPTABLES

    def probes(self) -> tuple[Probe, ...]:
        """Listings of both variants and families."""
        return (*observe.probes(), *checks.probes())

    def read(self, readings: Mapping[str, Reading], facts: Facts) -> Snapshot:
        """Chains and jumps of ours."""
        return observe.read(readings, facts)

    def tell(self, readings: Mapping[str, Reading], facts: Facts) -> Facts:
        """The families for which somebody else uses the table filter, and whose INPUT drops."""
        filtered = observe.filtered(readings, facts)
        return replace(facts, filtered=filtered, closed_inputs=closed(readings, facts))

    def express(self, intent: Intent, facts: Facts) -> Expressed:
        """The chains and jumps that the intent asks for."""
        return express.express(intent, facts)

    def render(self, inputs: RenderInput) -> Program:
        """Input for iptables-restore, by table."""
        return render.render(inputs)

    def checkpoint(self) -> Checkpoint:
        """Keeps and puts back all chains and jumps of ours."""
        return Checkpoint(
            backend=BACKEND,
            save=scripts.CHECKPOINT_SAVE,
            restore=scripts.CHECKPOINT_RESTORE,
        )

    def find_cut(self, wanted: Snapshot, flow: Flow, facts: Facts) -> Cut | None:
        """The rule that would send the flow elsewhere, drop it or reject it."""
        return cuts.find_cut(wanted, flow, facts)

    def caveats(
        self, readings: Mapping[str, Reading], facts: Facts, intent: Intent
    ) -> tuple[Diagnostic, ...]:
        """Foreign rules that would defeat the Services."""
        return checks.caveats(readings, facts, intent)


IPTABLES = IptablesBackend()
