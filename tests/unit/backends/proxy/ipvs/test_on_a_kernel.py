"""Sets, routing and rules with the real tools, in both variants of iptables.

Virtual services are tried on a kernel that has them (``tests/flow``, ``tests/uml``); its iptables
is the legacy one.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from svcform.backends.contract import Reading, RenderInput, Status
from svcform.backends.proxy.ipvs import IPVS
from svcform.backends.proxy.ipvs.objects import SERVICE
from svcform.lang.ipset.names import Set
from svcform.model.net import Family
from svcform.model.settings import ProxyMode
from svcform.plan.diff import Change, compare
from svcform.policy.intent import Intent
from svcform.program.program import Program, Step
from tests.unit.backends.proxy.iptables.conftest import Kernel
from tests.unit.backends.proxy.iptables.workspaces import everything, intent, nothing

pytestmark = pytest.mark.root
_EVERYTHING = intent(everything())
WANTED = replace(_EVERYTHING, settings=replace(_EVERYTHING.settings, proxy_mode=ProxyMode.IPVS))
SETS = ("SVCFORM-4-FRONTENDS", "SVCFORM-6-CLUSTER-IPS")
_STATUS = {0: Status.READ, 90: Status.ABSENT}


def _left_out(change: Change) -> bool:
    """What not every kernel has: virtual services, and the type of one set, which is another."""
    _, kind, name = change.address.path
    return kind == SERVICE or any(word.endswith(Set.HAIRPIN.value) for word in (kind, name))


@dataclass(frozen=True)
class Node:
    """A network namespace without IPVS: what ipvsadm would do is left out."""

    kernel: Kernel
    state: Path

    def sh(
        self, script: str, *words: str, given: bytes = b""
    ) -> subprocess.CompletedProcess[bytes]:
        state = f"SVCFORM_STATE={self.state}"
        return self.kernel.exec("env", state, "sh", "-c", script, "sh", *words, given=given)

    def plan(self) -> tuple[tuple[Change, ...], Program]:
        readings = {}
        for probe in IPVS.probes():
            done = self.sh(probe.script)
            readings[probe.name] = Reading(status=_STATUS[done.returncode], output=done.stdout)
        facts = replace(
            self.kernel.facts(),
            tools={**self.kernel.facts().tools, "ipvsadm": "1.31", "ipset": "7.17"},
            modules=frozenset({"ip_vs", "ip_set", "ip_vs_rr", "ip_vs_sh"}),
        )
        wanted = IPVS.express(WANTED, facts).wanted
        live = IPVS.read(readings, facts)
        changes = tuple(change for change in compare(live, wanted) if not _left_out(change))
        inputs = RenderInput(
            changes=changes, live=live, wanted=wanted, readings=readings, facts=facts
        )
        return changes, IPVS.render(inputs)

    def run(self, step: Step) -> subprocess.CompletedProcess[bytes]:
        return self.kernel.exec(
            "env", f"SVCFORM_STATE={self.state}", *step.command, given=step.stdin
        )

    def apply(self) -> None:
        for step in self.plan()[1].steps:
            done = self.run(step)
            assert done.returncode == 0, (step.summary, done.stderr)

    def apply_rules(self, wanted: Intent) -> None:
        """Rules that name sets aren't rehearsed: the sets aren't there by then."""
        for step in self.kernel.plan(wanted).program.steps:
            self.kernel.run(*step.command, given=step.stdin)

    def rules(self) -> str:
        return self.kernel.save("ip") + self.kernel.save("ip6")

    def make_otherwise(self) -> None:
        """Have a set without marks, and one of networks, where rules look addresses up."""
        kernel = self.kernel
        saved = {
            tool: kernel.run(f"{tool}-{kernel.variant}-save") for tool in ("iptables", "ip6tables")
        }
        for tool in saved:
            text = "".join(f"*{table}\nCOMMIT\n" for table in ("mangle", "nat", "filter"))
            kernel.run(f"{tool}-{kernel.variant}-restore", given=text.encode())
        for name in SETS:
            kernel.run("ipset", "destroy", name)
        kernel.run("ipset", "create", SETS[0], "hash:ip,port")
        kernel.run("ipset", "create", SETS[1], "hash:net", "family", "inet6")
        kernel.run("ipset", "add", SETS[1], "2001:db8:99::/64")
        for tool, text in saved.items():
            kernel.run(f"{tool}-{kernel.variant}-restore", given=text.encode())


@pytest.fixture(params=["nft", "legacy"])
def node(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Node]:
    """A node that has all but virtual services."""
    name = f"svcf-ipvs-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        made = Node(Kernel(name, request.param), tmp_path)
        made.kernel.run("ip", "link", "set", "lo", "up")
        for family, word in ((Family.IPV4, "inet"), (Family.IPV6, "inet6")):
            hairpin = Set.HAIRPIN.name_in(family)
            made.kernel.run("ipset", "create", hairpin, "hash:net,port", "family", word)
        made.apply()
        made.apply_rules(WANTED)
        yield made
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


def test_rules_find_their_sets_and_all_is_read_back(node: Node):
    assert "--map-set SVCFORM-4-FRONTENDS" in node.rules()
    assert node.plan()[0] == ()
    assert node.kernel.plan(WANTED).changes == ()

    node.apply_rules(nothing())

    assert "SVCFORM" not in node.rules()


def test_a_set_that_somebody_made_otherwise_is_made_anew_under_its_rules(node: Node):
    before = node.rules()
    checkpoint = IPVS.checkpoint()
    assert node.sh(checkpoint.save, str(node.state)).returncode == 0
    node.make_otherwise()
    assert node.rules() == before

    node.apply()

    assert node.plan()[0] == ()
    assert sorted(node.rules().splitlines()) == sorted(before.splitlines())

    node.make_otherwise()
    done = node.sh(checkpoint.restore, str(node.state))

    assert done.returncode == 0, done.stderr
    assert node.plan()[0] == ()
    assert sorted(node.rules().splitlines()) == sorted(before.splitlines())


def test_a_set_that_somebody_elses_rule_names_stays_and_so_do_our_rules(node: Node):
    node.make_otherwise()
    tool = f"ip6tables-{node.kernel.variant}"
    node.kernel.run(tool, "-A", "INPUT", "-m", "set", "--match-set", SETS[1], "dst", "-j", "DROP")
    before = node.rules()
    failed = [done for step in node.plan()[1].steps if (done := node.run(step)).returncode]

    assert b"in use" in failed[0].stderr
    assert sorted(node.rules().splitlines()) == sorted(before.splitlines())
