"""Backends on an arena's node, straight through their contract: probe, read, express, render, run.

The reading script is the one that runs on real nodes; the runner is left out, so that hundreds of
workspaces take seconds.
"""

from __future__ import annotations

import itertools
import secrets
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from svcform.backends.contract import Backend, Informant, Reading, RenderInput, Status
from svcform.backends.host import HOST
from svcform.backends.registry import BACKENDS
from svcform.diagnostics import errors
from svcform.engine.facts import parse_facts
from svcform.engine.observe import Observation, parse_observation, the_reading_script
from svcform.model.facts import Facts
from svcform.model.node import Connection, Node, Play
from svcform.model.settings import ProxyMode
from svcform.model.workspace import Workspace
from svcform.plan.diff import Change, compare
from svcform.plan.order import join_programs
from svcform.plan.snapshot import Snapshot
from svcform.policy.decide import decide
from svcform.policy.intent import Intent
from svcform.program.program import Program
from svcform.program.reading import parse_reading, reading_input, reading_script
from svcform.transport.contract import Binding
from tests.flow.arena import Arena, Kind
from tests.flow.model import World

T = TypeVar("T")
Look = tuple[Facts, Mapping[str, Reading]]
NODE = "arena"
#: The kernel module that a mode can't do without, where not every kernel has it.
_NEEDS = {ProxyMode.IPVS: "ip_vs"}
#: Behind a probe's output: how it ended, and what it had to say to that.
_END_OF_PROBE = (
    "code=$? note=; [ ! -s /run/probe ] || note=$(tr '\\n' ' ' </run/probe)\n"
    'printf "\\n$mark %s %s\\n" $code "$note"\n'
)
#: The exit codes of probes (``backends/contract.py``).
_STATUS = {0: Status.READ, 90: Status.ABSENT, 91: Status.TOOL_MISSING, 92: Status.REFUSED}


def subjects() -> list[Backend]:
    """All backends that a packet to a Service may meet; names are none of its business."""
    return [backend for backend in BACKENDS if backend.mode is not None or backend is HOST]


def proxies() -> list[Backend]:
    """All backends that carry out a proxy mode; every test of flows runs for each."""
    return [backend for backend in BACKENDS if backend.mode is not None]


def kind_for(backend: Backend) -> Kind:
    """A guest where the running kernel lacks what a backend needs."""
    module = _NEEDS.get(backend.mode) if backend.mode else None
    return Kind.NAMESPACE if module is None or _has(module) else Kind.GUEST


def is_slow(backend: Backend) -> bool:
    """Whether an apply takes a second or more: on a guest, or where programs have to start."""
    terminates = backend.mode is not None and backend.mode.terminates
    return terminates or kind_for(backend) is Kind.GUEST


def _has(module: str) -> bool:
    if Path("/sys/module", module).exists():
        return True
    looked = subprocess.run(["modprobe", "-n", "-q", module], check=False, capture_output=True)
    return looked.returncode == 0


def with_seeds(seeds: Sequence[T]) -> list[tuple[Backend, T]]:
    """Every proxy backend with seeds: few where programs have to start, one on slow guests."""
    return [(backend, seed) for backend in proxies() for seed in _seeds_for(backend, seeds)]


def _seeds_for(backend: Backend, seeds: Sequence[T]) -> Sequence[T]:
    if kind_for(backend) is Kind.GUEST:
        return seeds[-1:]
    return seeds[:: 5 if backend.mode is not None and backend.mode.terminates else 1]


@dataclass(frozen=True, slots=True)
class Pending:
    """What one backend would do now."""

    backend: Backend
    live: Snapshot
    wanted: Snapshot
    changes: tuple[Change, ...]
    program: Program


def workspace_of(world: World, *, absent: bool = False) -> Workspace:
    """A project with one node, the arena's."""
    keys = tuple(sorted(world.services))
    node = Node(
        name=NODE,
        connection=Connection(kind="svcform_lab", host=world.node_addresses[0]),
        settings=world.settings,
        plays=(0,),
        absent=absent,
    )
    return Workspace(
        project_id="arena",
        root="/",
        plays=(Play(name="arena", nodes=(NODE,), absent=absent),),
        nodes=(node,),
        services={key: world.services[key] for key in keys},
        endpoints={key: world.endpoints[key] for key in keys},
        play_services=(keys,),
    )


def intent_of(world: World, *, absent: bool = False) -> Intent:
    """What the arena's node should do."""
    return decide(workspace_of(world, absent=absent))[NODE]


@dataclass(slots=True)
class NodeUnderTest:
    """An arena's node, as backends see it.

    Its facts take ten times as long to read as the probes of all backends: they are read anew only
    where something about the host was changed.  ``subjects`` are the backends that it may have met.
    """

    arena: Arena
    subjects: Sequence[Backend] = field(default_factory=subjects)
    facts: Facts | None = None

    def readings(self) -> Mapping[str, Reading]:
        """What the probes of all backends say now."""
        probes = [probe for backend in self.subjects for probe in backend.probes()]
        mark = secrets.token_hex(16)
        script = f"mark={mark}\n" + "".join(
            f"(\n{probe.script}\n) 2>/run/probe\n{_END_OF_PROBE}" for probe in probes
        )
        said = self.arena.run("sh", "-s", given=script.encode())
        return dict(zip((probe.name for probe in probes), _parsed(said, mark), strict=True))

    def plan(self, intent: Intent, seen: Look | None = None) -> list[Pending]:
        """What all backends would do to bring the node to an intent, from how it is or was seen."""
        self.arena.terminates = intent.settings.proxy_mode.terminates
        facts, readings = seen or self.look()
        return [_plan_one(backend, readings, facts, intent) for backend in self.subjects]

    def look(self) -> Look:
        """The node as it is now: what the probes of all backends say, and its facts."""
        readings = self.readings()
        if self.facts is None:
            nonce = secrets.token_hex(16)
            given = reading_input(nonce, compress=False)
            said = self.arena.exec("sh", "-c", reading_script(()), given=given).stdout
            self.facts = parse_facts(parse_reading(said, nonce))
            for backend in self.subjects:
                if isinstance(backend, Informant):
                    self.facts = backend.tell(readings, self.facts)
        return self.facts, readings

    def run(self, pending: Sequence[Pending]) -> None:
        """Carry programs out in the order of their phases, rehearsals first."""
        steps = join_programs([each.program for each in pending]).steps
        for step in steps:
            if step.rehearsal:
                self.arena.run(*step.rehearsal, given=step.stdin)
        for step in steps:
            self.arena.run(*step.command, given=step.stdin)
        if any(each.changes and each.backend.mode is None for each in pending):
            self.facts = None

    def apply(self, intent: Intent, seen: Look | None = None) -> list[Pending]:
        """Read, where it was not seen since its last change, plan and run; what was done."""
        pending = self.plan(intent, seen)
        self.run(pending)
        return pending

    def changes_left(
        self, intent: Intent, seen: Look | None = None
    ) -> dict[str, tuple[Change, ...]]:
        """What a second plan would change, by backend; empty if nothing."""
        return {p.backend.name: p.changes for p in self.plan(intent, seen) if p.changes}


def _parsed(said: str, mark: str) -> Iterator[Reading]:
    """The readings in what the probes said; the mark and how it ended are behind each."""
    for answer, after in itertools.pairwise(f"0\n{said}".split(f"\n{mark} ")):
        output = answer.partition("\n")[2]
        code, _, error = after.partition("\n")[0].partition(" ")
        status = _STATUS.get(int(code), Status.FAILED)
        yield Reading(status=status, output=output.encode() if code == "0" else b"", error=error)


def observe(arena: Arena) -> Observation:
    """Read the node as the engine does."""
    nonce = secrets.token_hex(16)
    script = the_reading_script()
    output = arena.exec("sh", "-c", script, given=reading_input(nonce, compress=False)).stdout
    return parse_observation(output, nonce, Binding(address=NODE, port=0))


def _plan_one(
    backend: Backend, readings: Mapping[str, Reading], facts: Facts, intent: Intent
) -> Pending:
    own = {probe.name: readings[probe.name] for probe in backend.probes()}
    unread = [r for r in own.values() if r.status not in {Status.READ, Status.ABSENT}]
    assert unread == [], unread
    expressed = backend.express(intent, facts)
    assert errors(expressed.diagnostics) == []
    wanted = expressed.wanted
    live = backend.read(own, facts)
    changes = compare(live, wanted)
    program = Program()
    if changes:
        program = backend.render(
            RenderInput(changes=changes, live=live, wanted=wanted, readings=own, facts=facts)
        )
    return Pending(backend, live, wanted, changes, program)
