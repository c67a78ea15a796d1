"""Services by proxies in user space, and answered health checks: HAProxy and nginx.

Two backends that run servers in one way.  See README.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from svcform.backends.contract import Cut, Expressed, Probe, Reading, RenderInput
from svcform.backends.proxy.userspace import caveats, express, health, observe, render
from svcform.backends.proxy.userspace import objects as names
from svcform.backends.proxy.userspace.alive import fingerprints
from svcform.backends.proxy.userspace.programs import told
from svcform.backends.proxy.userspace.scripts import SCRIPTS
from svcform.diagnostics import Diagnostic
from svcform.model.facts import Facts
from svcform.model.flow import Flow
from svcform.model.settings import ProxyMode
from svcform.plan.snapshot import Snapshot
from svcform.policy.intent import Intent
from svcform.program.program import Checkpoint, Program


@dataclass(frozen=True, slots=True)
class _Servers:
    """What both have in common: all but what they want."""

    name: str
    mode: ProxyMode | None = None

    def probes(self) -> tuple[Probe, ...]:
        """One look."""
        return observe.probes(self.name)

    def read(self, readings: Mapping[str, Reading], facts: Facts) -> Snapshot:
        """What the servers are told, their files, and whether they run."""
        del facts
        return observe.read(readings, self.name)

    def render(self, inputs: RenderInput) -> Program:
        """The files of the Services concerned, and reloads."""
        program = render.render(inputs, self.name)
        alive = fingerprints(inputs, self.name)
        return replace(program, fingerprints=(*program.fingerprints, *alive))

    def checkpoint(self) -> Checkpoint:
        """Copies of all files, and which servers run."""
        scripts = SCRIPTS[self.name]
        return Checkpoint(backend=self.name, save=scripts.save, restore=scripts.restore)

    def find_cut(self, wanted: Snapshot, flow: Flow, facts: Facts) -> Cut | None:
        """None: what leads packets to the servers is other backends', which are asked."""
        del wanted, flow, facts
        return None


class UserspaceBackend(_Servers):
    """The proxy mode ``userspace``."""

    __slots__ = ()

    def tell(self, readings: Mapping[str, Reading], facts: Facts) -> Facts:
        """What there is to run servers with, and who is where they would listen."""
        return told(readings, facts)

    def express(self, intent: Intent, facts: Facts) -> Expressed:
        """Listeners and their endpoints, and the servers that have any."""
        return express.express(intent, facts)

    def caveats(
        self, readings: Mapping[str, Reading], facts: Facts, intent: Intent
    ) -> tuple[Diagnostic, ...]:
        """What keeps the servers from running there."""
        del readings
        return caveats.caveats(facts, intent)


class HealthBackend(_Servers):
    """Answers on ``healthCheckNodePort``, in every mode."""

    __slots__ = ()

    def express(self, intent: Intent, facts: Facts) -> Expressed:
        """An answer for each Service, where there is something to give it with."""
        return health.express(intent, facts)

    def caveats(
        self, readings: Mapping[str, Reading], facts: Facts, intent: Intent
    ) -> tuple[Diagnostic, ...]:
        """None: what is in the way takes away what is wanted."""
        del readings, facts, intent
        return ()

    def narrow(
        self, live: Snapshot, wanted: Snapshot, is_targeted: Callable[[str], bool], *, destroy: bool
    ) -> Snapshot:
        """The answers of the targeted Services."""
        return health.narrow(live, wanted, is_targeted, destroy=destroy)


USERSPACE = UserspaceBackend(names.NAME, ProxyMode.USERSPACE)
HEALTH = HealthBackend(names.HEALTH)
