"""Backends on an arena's node, straight through their contract: probe, read, express, render, run.

The reading script is the one that runs on real nodes; the runner is left out, so that hundreds of
workspaces take seconds.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from svcform.backends.contract import Backend, RenderInput
from svcform.backends.registry import BACKENDS
from svcform.engine.observe import Observation, parse_observation, the_reading_script
from svcform.model.node import Connection, Node, Play
from svcform.model.workspace import Workspace
from svcform.plan.diff import Change, compare
from svcform.plan.snapshot import Snapshot
from svcform.policy.decide import decide
from svcform.policy.intent import Intent
from svcform.program.program import Program
from svcform.program.reading import reading_input
from svcform.transport.contract import Binding
from tests.flow.arena import Arena
from tests.flow.model import World

NODE = "arena"


def proxies() -> list[Backend]:
    """All backends that carry out a proxy mode; every test of flows runs for each."""
    return [backend for backend in BACKENDS if backend.mode is not None]


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


def observe(arena: Arena) -> Observation:
    """Read the node as the engine does."""
    nonce = secrets.token_hex(16)
    script = the_reading_script()
    output = arena.run_bytes("sh", "-c", script, given=reading_input(nonce, compress=False))
    return parse_observation(output, nonce, Binding(address=NODE, port=0))


def plan(observation: Observation, intent: Intent) -> list[Pending]:
    """What all backends would do to bring the node to an intent."""
    return [_plan_one(backend, observation, intent) for backend in BACKENDS]


def _plan_one(backend: Backend, observation: Observation, intent: Intent) -> Pending:
    facts = observation.facts
    wanted = backend.express(intent, facts).wanted
    readings = {p.name: observation.readings[p.name] for p in backend.probes()}
    live = backend.read(readings, facts)
    changes = compare(live, wanted)
    program = Program()
    if changes:
        given = RenderInput(
            changes=changes, live=live, wanted=wanted, readings=readings, facts=facts
        )
        program = backend.render(given)
    return Pending(backend, live, wanted, changes, program)


def run(arena: Arena, pending: Sequence[Pending]) -> None:
    """Carry programs out in the order of their phases, rehearsals first."""
    steps = sorted(
        (step for each in pending for step in each.program.steps), key=lambda step: step.phase
    )
    for step in steps:
        if step.rehearsal:
            arena.run(*step.rehearsal, given=step.stdin)
    for step in steps:
        arena.run(*step.command, given=step.stdin)


def apply(arena: Arena, intent: Intent) -> list[Pending]:
    """Read, plan and run; what was done."""
    pending = plan(observe(arena), intent)
    run(arena, pending)
    return pending


def changes_left(arena: Arena, intent: Intent) -> Mapping[str, tuple[Change, ...]]:
    """What a second plan would change, by backend; empty if nothing."""
    pending = plan(observe(arena), intent)
    return {p.backend.name: p.changes for p in pending if p.changes}
