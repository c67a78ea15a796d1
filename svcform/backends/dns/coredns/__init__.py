"""DNS: zones in files, served by the user's CoreDNS as a service of svcform's.  See README.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from svcform.backends.contract import Backend, Cut, Expressed, Probe, Reading, RenderInput
from svcform.backends.dns.coredns import checks, express, narrow, observe, render, resolver
from svcform.backends.dns.coredns.objects import NAME
from svcform.backends.dns.coredns.scripts import RESTORE, SAVE
from svcform.diagnostics import Diagnostic
from svcform.model.facts import Facts
from svcform.model.flow import Flow
from svcform.plan.snapshot import Snapshot
from svcform.policy.intent import Intent
from svcform.program.program import Checkpoint, Program


@dataclass(frozen=True, slots=True)
class CorednsBackend:
    """The backend of :mod:`svcform.backends.contract` for DNS."""

    name: str = NAME
    mode: None = None

    def probes(self) -> tuple[Probe, ...]:
        """One look."""
        return observe.probes()

    def read(self, readings: Mapping[str, Reading], facts: Facts) -> Snapshot:
        """The zones, the Corefile, the unit and whether it runs."""
        return observe.read(readings, facts)

    def tell(self, readings: Mapping[str, Reading], facts: Facts) -> Facts:
        """The highest serial of its zones, and who writes its resolv.conf."""
        found = resolver.read_resolver(readings)
        return replace(facts, dns_serial=observe.serial(readings), resolver=found)

    def narrow(
        self, live: Snapshot, wanted: Snapshot, is_targeted: Callable[[str], bool], *, destroy: bool
    ) -> Snapshot:
        """The names of the targeted Services."""
        return narrow.narrow(live, wanted, is_targeted, destroy=destroy)

    def express(self, intent: Intent, facts: Facts) -> Expressed:
        """The same as they should be."""
        return express.express(intent, facts)

    def render(self, inputs: RenderInput) -> Program:
        """Edits of the zones, and their undo."""
        return render.render(inputs)

    def checkpoint(self) -> Checkpoint:
        """Copies of all files, and whether CoreDNS runs."""
        return Checkpoint(backend=NAME, save=SAVE, restore=RESTORE)

    def find_cut(self, wanted: Snapshot, flow: Flow, facts: Facts) -> Cut | None:
        """None: a name server keeps nobody from connecting."""
        del wanted, flow, facts
        return None

    def caveats(
        self, readings: Mapping[str, Reading], facts: Facts, intent: Intent
    ) -> tuple[Diagnostic, ...]:
        """What keeps CoreDNS from serving there."""
        return checks.caveats(readings, facts, intent)


COREDNS: Backend = CorednsBackend()
