"""A node, as the CoreDNS backend sees it: read, planned and changed straight by its contract."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from svcform.backends.contract import Reading, RenderInput, Status
from svcform.backends.dns.coredns import COREDNS
from svcform.backends.dns.coredns.observe import serial
from svcform.diagnostics import Diagnostic, errors
from svcform.model.facts import Facts
from svcform.model.settings import Settings
from svcform.plan.diff import Change, compare
from svcform.policy.decide import decide
from svcform.policy.intent import Intent
from svcform.program.program import Step
from tests.coredns.serving import NODE, workspace_of
from tests.coredns.worlds import World


class Machine(Protocol):
    """Where commands run."""

    def exec(self, *argv: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run a command, both streams captured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """``program`` is its CoreDNS, ``listen`` where that serves."""

    machine: Machine
    facts: Facts
    program: str
    listen: tuple[str, ...]

    def plan(
        self, world: World, *, absent: bool = False, highest: int = 0
    ) -> tuple[tuple[Change, ...], list[Step]]:
        """What would change, and the steps in their order.

        ``highest`` is the highest serial of the fleet, 0 for that of the node.
        """
        readings = self._read()
        facts = replace(self.facts, dns_serial=highest or serial(readings))
        expressed = COREDNS.express(self._intent(world, absent=absent), facts)
        assert errors(expressed.diagnostics) == []
        live, wanted = COREDNS.read(readings, facts), expressed.wanted
        changes = compare(live, wanted)
        inputs = RenderInput(
            changes=changes, live=live, wanted=wanted, readings=readings, facts=facts
        )
        return changes, sorted(COREDNS.render(inputs).steps, key=lambda step: step.phase)

    def apply(self, world: World, *, absent: bool = False, highest: int = 0) -> None:
        """Make the node serve a world, or nothing."""
        for step in self.plan(world, absent=absent, highest=highest)[1]:
            done = self.machine.exec(*step.command, given=step.stdin)
            assert done.returncode == 0, done.stderr.decode()

    def caveats(self, world: World) -> Sequence[Diagnostic]:
        """What keeps CoreDNS from serving there."""
        return COREDNS.caveats(self._read(), self.facts, self._intent(world, absent=False))

    def serial(self) -> int:
        """The highest serial in its files."""
        return serial(self._read())

    def _read(self) -> Mapping[str, Reading]:
        found = {}
        for probe in COREDNS.probes():
            done = self.machine.exec("sh", "-c", probe.script)
            assert done.returncode == 0, done.stderr
            found[probe.name] = Reading(status=Status.READ, output=done.stdout)
        return found

    def _intent(self, world: World, *, absent: bool) -> Intent:
        made = workspace_of(world)
        node = replace(made.nodes[0], absent=absent)
        settings: Settings = replace(
            node.settings, coredns_binary=self.program, dns_listen=self.listen
        )
        node = replace(node, settings=settings)
        return decide(replace(made, nodes=(node,), play_nodes=(node,)))[NODE]
