"""Laws of applying, over chains of random worlds on a node with a CoreDNS that serves."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import pytest

from svcform.backends.contract import Reading, RenderInput, Status
from svcform.backends.dns.coredns import COREDNS
from svcform.backends.dns.coredns.observe import serial
from svcform.diagnostics import errors
from svcform.model.facts import Facts
from svcform.model.settings import Settings
from svcform.plan.diff import Change, compare
from svcform.policy.decide import decide
from svcform.policy.intent import Intent
from svcform.program.program import Step
from tests.conformance.dns_servers import find
from tests.coredns import worlds
from tests.coredns.serving import NODE, workspace_of
from tests.coredns.worlds import World
from tests.flow.arena import Arena, open_arena
from tests.flow.under_test import observe

pytestmark = pytest.mark.root
CHANGES = 3
#: All that svcform may write of DNS, and what starts it.
_PLACES = "/etc/svcform /etc/init.d /etc/rc?.d"


@dataclass(slots=True)
class Node:
    """An arena's node, as the backend sees it."""

    arena: Arena
    program: str
    facts: Facts

    def plan(self, world: World, *, absent: bool = False) -> tuple[tuple[Change, ...], list[Step]]:
        """What would change, and the steps in their order."""
        readings = self._read()
        facts = replace(self.facts, dns_serial=serial(readings))
        expressed = COREDNS.express(self._intent(world, absent=absent), facts)
        assert errors(expressed.diagnostics) == []
        live, wanted = COREDNS.read(readings, facts), expressed.wanted
        changes = compare(live, wanted)
        inputs = RenderInput(
            changes=changes, live=live, wanted=wanted, readings=readings, facts=facts
        )
        return changes, sorted(COREDNS.render(inputs).steps, key=lambda step: step.phase)

    def apply(self, world: World, *, absent: bool = False) -> None:
        """Make the node serve a world, or nothing."""
        for step in self.plan(world, absent=absent)[1]:
            self.arena.run(*step.command, given=step.stdin)

    def files(self) -> dict[str, str]:
        """What is in the places that are svcform's, by path; serials left out."""
        script = f'for f in $(find {_PLACES} ! -type d); do echo "== $f"; cat $f; done'
        found = self.arena.run("sh", "-c", script).split("== /")
        return {
            name: re.sub(r"(?<= )[0-9]+(?= 7200 )", "SERIAL", text)
            for name, _, text in (each.partition("\n") for each in found if each)
        }

    def _read(self) -> Mapping[str, Reading]:
        found = {}
        for probe in COREDNS.probes():
            done = self.arena.exec("sh", "-c", probe.script)
            assert done.returncode == 0, done.stderr
            found[probe.name] = Reading(status=Status.READ, output=done.stdout)
        return found

    def _intent(self, world: World, *, absent: bool) -> Intent:
        made = workspace_of(world)
        node = replace(made.nodes[0], absent=absent)
        settings: Settings = replace(node.settings, coredns_binary=self.program)
        node = replace(node, settings=settings)
        return decide(replace(made, nodes=(node,), play_nodes=(node,)))[NODE]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node with the user's CoreDNS on its disk."""
    program = find("coredns")
    assert program, "coredns is not here; `make test` builds it"
    folder: Path = tmp_path_factory.mktemp("arena")
    with open_arena(folder, worlds.SERVERS) as arena:
        shutil.copy2(program, folder / "disk/var/coredns")
        yield Node(arena, "/var/coredns", observe(arena).facts)


@pytest.mark.parametrize("seed", range(3))
def test_a_chain_of_applies_ends_where_a_fresh_apply_does_and_leaves_no_trace(
    node: Node, seed: int
):
    random = Random(seed)
    before = node.files()
    world = worlds.random_world(random)
    for _ in range(CHANGES):
        node.apply(world)

        assert node.plan(world)[0] == ()

        world = worlds.changed(random, world)
    node.apply(world)
    after_changes = node.files()
    assert after_changes.keys() > before.keys()
    node.apply(world, absent=True)

    assert node.files() == before
    assert node.arena.exec("pgrep", "-x", "coredns").stdout == b""

    node.apply(world)

    assert node.files() == after_changes

    node.apply(world, absent=True)

    assert node.files() == before
    assert node.plan(world, absent=True)[0] == ()
