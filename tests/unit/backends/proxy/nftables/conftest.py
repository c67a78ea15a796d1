"""A network namespace with tables of its own, on the kernel that runs the tests."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from svcform.backends.contract import Reading, RenderInput, Status
from svcform.backends.proxy.nftables import NFTABLES
from svcform.diagnostics import Diagnostic
from svcform.model.facts import Facts, InterfaceAddress
from svcform.plan.diff import Change, compare
from svcform.plan.snapshot import Snapshot
from svcform.policy.intent import Intent
from svcform.program.program import Program, Step

_UNPACKED = Path(__file__).parents[5] / ".venv/nft"
_TOOLS = "sh awk sed sort grep cut cat mv rm tr sleep sha256sum uname"
FACTS = Facts(
    kernel="6.1.0",
    tools={"nft": "nftables v1.0.6 (Lester Gooch #5)"},
    addresses=(
        InterfaceAddress(interface="eth0", address="192.0.2.1", prefix_length=24),
        InterfaceAddress(interface="eth0", address="2001:db8::1", prefix_length=64),
    ),
)


@dataclass(frozen=True)
class Planned:
    live: Snapshot
    changes: tuple[Change, ...]
    program: Program


@dataclass(frozen=True)
class Kernel:
    """Runs tools in the namespace."""

    name: str

    def exec(self, *argv: str, given: bytes = b"", **environment: str):
        return subprocess.run(
            ["ip", "netns", "exec", self.name, *argv],
            input=given,
            capture_output=True,
            check=False,
            env={**os.environ, **environment},
        )

    def run(self, *argv: str, given: bytes = b"", **environment: str) -> str:
        done = self.exec(*argv, given=given, **environment)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def nft(self, text: str) -> str:
        return self.run("nft", "-f", "-", given=text.encode())

    def readings(self) -> dict[str, Reading]:
        readings = {}
        for probe in NFTABLES.probes():
            done = self.exec("sh", "-c", probe.script, SVCFORM_STATE="/nonexistent")
            assert done.returncode == 0, done.stderr
            readings[probe.name] = Reading(status=Status.READ, output=done.stdout)
        return readings

    def caveats(self, intent: Intent) -> tuple[Diagnostic, ...]:
        return NFTABLES.caveats(self.readings(), FACTS, intent)

    def plan(self, intent: Intent) -> Planned:
        readings = self.readings()
        live = NFTABLES.read(readings, FACTS)
        wanted = NFTABLES.express(intent, FACTS).wanted
        changes = compare(live, wanted)
        inputs = RenderInput(
            changes=changes, live=live, wanted=wanted, readings=readings, facts=FACTS
        )
        return Planned(live, changes, NFTABLES.render(inputs))

    def carry_out(self, steps: Sequence[Step]) -> None:
        for step in steps:
            if step.rehearsal:
                self.run(*step.rehearsal, given=step.stdin)
        for step in steps:
            self.run(*step.command, given=step.stdin)

    def apply(self, intent: Intent) -> Planned:
        planned = self.plan(intent)
        self.carry_out(planned.program.steps)
        return planned

    def listing(self) -> list[str]:
        """All there is, in no order."""
        found = []
        for line in self.run("nft", "-s", "list", "ruleset").splitlines():
            found += [part.strip(" \t{}") for part in line.replace("elements = {", ",").split(",")]
        return sorted(found)


def _paths() -> Iterator[tuple[str, str]]:
    """``PATH`` with the machine's own nft, and with each that ``.ci/nft`` unpacked."""
    yield "own", os.environ["PATH"]
    for path in sorted(_UNPACKED.glob("*/path")):
        yield path.parent.name, f"{path}:{os.environ['PATH']}"


@pytest.fixture(params=_paths(), ids=lambda param: param[0])
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kernel]:
    """With each nft that there is."""
    if os.geteuid():
        pytest.skip("needs root")
    monkeypatch.setenv("PATH", request.param[1])
    name = f"svcf-nft-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        yield Kernel(name)
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


@pytest.fixture(params=["dash", "busybox"])
def shell(request: pytest.FixtureRequest, kernel, tmp_path_factory) -> dict[str, str]:
    """An environment in which ``sh`` and the tools of scripts are busybox's, or the machine's."""
    if request.param == "dash":
        return {}
    folder: Path = tmp_path_factory.mktemp("busybox")
    for tool in _TOOLS.split():
        (folder / tool).symlink_to("/usr/bin/busybox")
    return {"PATH": f"{folder}:{os.environ['PATH']}"}
