"""A network namespace with the real tools, and small Services to put into it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import pytest

from svcform.backends.contract import Reading, RenderInput, Status
from svcform.backends.proxy.iptables import IPTABLES
from svcform.backends.proxy.iptables.observe import filtered
from svcform.model.facts import Facts, InterfaceAddress
from svcform.plan.diff import Change, compare
from svcform.plan.snapshot import Snapshot
from svcform.policy.intent import Intent
from svcform.program.program import Program

_STATUS = {0: Status.READ, 90: Status.ABSENT, 91: Status.TOOL_MISSING, 92: Status.REFUSED}


@dataclass(frozen=True)
class Kernel:
    """A namespace; ``variant`` is that of its plain iptables."""

    name: str
    variant: str

    def exec(self, *argv: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            ["ip", "netns", "exec", self.name, *argv], input=given, capture_output=True, check=False
        )

    def run(self, *argv: str, given: bytes = b"") -> str:
        done = self.exec(*argv, given=given)
        assert done.returncode == 0, (argv, done.stderr.decode())
        return done.stdout.decode("utf-8", "surrogateescape")

    def save(self, family: str = "ip") -> str:
        tool = {"ip": "iptables", "ip6": "ip6tables"}[family]
        lines = self.run(f"{tool}-{self.variant}-save").splitlines(keepends=True)
        return "".join(line for line in lines if not line.startswith("#"))

    def readings(self) -> Mapping[str, Reading]:
        found = {}
        for probe in IPTABLES.probes():
            done = self.exec("sh", "-c", probe.script)
            status = _STATUS.get(done.returncode, Status.FAILED)
            assert status in {Status.READ, Status.ABSENT}, (probe.name, done.stderr)
            found[probe.name] = Reading(status=status, output=done.stdout)
        return found

    def facts(self) -> Facts:
        facts = Facts(
            tools=dict.fromkeys(
                (
                    "iptables",
                    "ip6tables",
                    f"iptables-{self.variant}",
                    f"ip6tables-{self.variant}",
                ),
                self.run(f"iptables-{self.variant}", "--version").strip(),
            ),
            addresses=(
                InterfaceAddress(interface="eth0", address="192.0.2.1", prefix_length=24),
                InterfaceAddress(interface="eth0", address="2001:db8::1", prefix_length=64),
            ),
        )
        return replace(facts, filtered=filtered(self.readings(), facts))

    def plan(self, intent: Intent) -> Planned:
        facts, readings = self.facts(), self.readings()
        live = IPTABLES.read(readings, facts)
        wanted = IPTABLES.express(intent, facts).wanted
        changes = compare(live, wanted)
        inputs = RenderInput(
            changes=changes, live=live, wanted=wanted, readings=readings, facts=facts
        )
        return Planned(live, changes, IPTABLES.render(inputs))

    def apply(self, intent: Intent) -> Planned:
        planned = self.plan(intent)
        for step in planned.program.steps:
            self.run(*step.rehearsal, given=step.stdin)
        for step in planned.program.steps:
            self.run(*step.command, given=step.stdin)
        return planned

    def undo(self, program: Program) -> None:
        for step in program.undo:
            self.run(*step.command, given=step.stdin)


@dataclass(frozen=True)
class Planned:
    live: Snapshot
    changes: tuple[Change, ...]
    program: Program


@pytest.fixture(params=["nft", "legacy"])
def kernel(request) -> Iterator[Kernel]:
    if os.geteuid():
        pytest.skip("needs root")
    name = f"svcf-ipt-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        yield Kernel(name, request.param)
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)
