"""Verify that a node holds what was planned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from svcform.backends.contract import Backend, Status
from svcform.backends.registry import BACKENDS
from svcform.engine.observe import Observation
from svcform.errors import ReadingFailed, ToolMissing
from svcform.model.packages import install_command
from svcform.plan.diff import Change
from svcform.plan.digests import SnapshotDigests
from svcform.plan.snapshot import NodeObject, ObjectAddress, RecordedObject, Snapshot

STATE = ObjectAddress("svcform", ("state",))
"""All that is svcform's on a node, as one object: what a rollback changes."""

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


def state_object(digest: str) -> NodeObject | None:
    """The object at ``STATE`` for this digest; None where nothing of svcform's is there."""
    return RecordedObject((f"digest {digest}",)) if digest else None


def differences(
    changes: Sequence[Change], observation: Observation, *, before: bool
) -> tuple[ObjectAddress, ...]:
    """The changed objects that are live otherwise than before, or after, their change.

    Compares lines, since the objects of a plan file have nothing else.
    Raises ToolMissing or ReadingFailed.
    """
    concerned = {change.address.backend for change in changes}
    everything = STATE.backend in concerned
    live: dict[str, Snapshot] = {
        backend.name: read_live(backend, observation)
        for backend in BACKENDS
        if everything or backend.name in concerned
    }
    if everything:
        found = state_object(SnapshotDigests().of(live.values()))
        live[STATE.backend] = {STATE: found} if found else {}
    return tuple(
        change.address
        for change in changes
        if _lines(change.before if before else change.after) != _lines(_at(live, change.address))
    )


def _at(live: Mapping[str, Snapshot], address: ObjectAddress) -> NodeObject | None:
    return live.get(address.backend, {}).get(address)


def _lines(found: NodeObject | None) -> tuple[str, ...] | None:
    return None if found is None else found.lines()
