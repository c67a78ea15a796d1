"""Verify that a node holds what was planned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from svcform.backends.contract import Backend, Status
from svcform.backends.registry import BACKENDS
from svcform.engine.observe import Observation
from svcform.errors import ReadingFailed, ToolMissing
from svcform.model.packages import install_command
from svcform.plan.diff import Change
from svcform.plan.snapshot import NodeObject, ObjectAddress, Snapshot

_READABLE = {Status.READ, Status.ABSENT}


def read_live(backend: Backend, observation: Observation) -> Snapshot:
    """What is svcform's on the node, of one backend.

    Raises ToolMissing or ReadingFailed where a probe did not succeed: "could not read" is never
    "empty".
    """
    readings = {probe.name: observation.readings[probe.name] for probe in backend.probes()}
    for name, reading in readings.items():
        if reading.status is Status.TOOL_MISSING:
            tool = backend.name
            raise ToolMissing(
                f"{tool} is not on the node ({name}: {reading.error or 'not found'}).",
                remedy=install_command(tool, observation.facts.os_release),
            )
        if reading.status not in _READABLE:
            word = "was refused" if reading.status is Status.REFUSED else "failed"
            raise ReadingFailed(f"The probe {name} {word}: {reading.error or 'it said nothing'}.")
    return backend.read(readings, observation.facts)


def differences(
    changes: Sequence[Change], observation: Observation, *, before: bool
) -> tuple[ObjectAddress, ...]:
    """The changed objects that are live otherwise than before, or after, their change.

    Compares lines, since the objects of a plan file have nothing else.
    Raises ToolMissing or ReadingFailed.
    """
    live: dict[str, Snapshot] = {}
    concerned = {change.address.backend for change in changes}
    for backend in BACKENDS:
        if backend.name in concerned:
            live[backend.name] = read_live(backend, observation)
    return tuple(
        change.address
        for change in changes
        if _lines(change.before if before else change.after) != _lines(_at(live, change.address))
    )


def _at(live: Mapping[str, Snapshot], address: ObjectAddress) -> NodeObject | None:
    return live.get(address.backend, {}).get(address)


def _lines(found: NodeObject | None) -> tuple[str, ...] | None:
    return None if found is None else found.lines()
