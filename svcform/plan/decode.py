"""A plan from its JSON and blobs; the inverse of :mod:`svcform.plan.encode`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from svcform.diagnostics import Diagnostic, Location, Origin, Severity
from svcform.plan.diff import Change
from svcform.plan.plan import Batch, NodeBinding, NodePlan, Plan, Problem
from svcform.plan.services import ServiceChange, ServiceRow
from svcform.plan.services_tsv import read_rows
from svcform.plan.snapshot import ObjectAddress, RecordedObject
from svcform.program.program import Checkpoint, Fingerprint, Phase, Program, Step

T = TypeVar("T")


class Decoder:
    """Decodes one plan; raises KeyError, TypeError or ValueError for what is no plan."""

    def __init__(self, blobs: Mapping[str, bytes]) -> None:
        self._blobs = blobs
        self._parsed: dict[tuple[str, str], Any] = {}

    def plan(self, value: Mapping[str, Any]) -> Plan:
        """The plan of this JSON value."""
        return Plan(
            project_id=value["project"],
            nodes=tuple(self._node(node) for node in value["nodes"]),
            batches=tuple(
                Batch(nodes=tuple(b["nodes"]), max_fail_percentage=b["max_fail_percentage"])
                for b in value["batches"]
            ),
            refusals=_diagnostics(value["refusals"]),
        )

    def _node(self, value: Mapping[str, Any]) -> NodePlan:
        return NodePlan(
            node=value["node"],
            plays=tuple(value["plays"]),
            binding=NodeBinding(**value["binding"]) if value["binding"] else None,
            changes=self._once(value["changes"], _changes),
            service_changes=self._once(value["service_changes"], _service_changes),
            services=self._once(value["services"], read_rows),
            program=self._once(value["program"], self._program),
            checkpoints=tuple(self._checkpoint(entry) for entry in value["checkpoints"]),
            diagnostics=_diagnostics(value["diagnostics"]),
            drift=tuple(ObjectAddress(backend, tuple(path)) for backend, path in value["drift"]),
            absent=value["absent"],
            layout=value["layout"],
            project=value["project"],
            before=value["before"],
            after=value["after"],
            claims=value["claims"],
            problem=Problem(**value["problem"]) if value["problem"] else None,
        )

    def _once(self, name: str, parse: Callable[[bytes], T]) -> T:
        """The value of a blob, parsed once however many nodes share it."""
        key = (parse.__qualname__, name)
        if key not in self._parsed:
            self._parsed[key] = parse(self._blobs[name])
        found: T = self._parsed[key]
        return found

    def _program(self, data: bytes) -> Program:
        value = json.loads(data)
        return Program(
            steps=tuple(self._step(step) for step in value["steps"]),
            undo=tuple(self._step(step) for step in value["undo"]),
            fingerprints=tuple(self._fingerprint(entry) for entry in value["fingerprints"]),
        )

    def _step(self, value: Mapping[str, Any]) -> Step:
        return Step(
            backend=value["backend"],
            phase=Phase[value["phase"]],
            summary=value["summary"],
            command=tuple(value["command"]),
            rehearsal=tuple(value["rehearsal"]),
            stdin=self._blobs[value["stdin"]],
            stores=value["stores"],
            waits=value["waits"],
        )

    def _fingerprint(self, value: Mapping[str, Any]) -> Fingerprint:
        return Fingerprint(
            backend=value["backend"],
            script=self._blobs[value["script"]].decode(),
            operands=self._blobs[value["operands"]],
            expected=self._blobs[value["expected"]],
        )

    def _checkpoint(self, value: Mapping[str, Any]) -> Checkpoint:
        return Checkpoint(
            backend=value["backend"],
            save=self._blobs[value["save"]].decode(),
            restore=self._blobs[value["restore"]].decode(),
        )


def _changes(data: bytes) -> tuple[Change, ...]:
    return tuple(_change(*entry) for entry in json.loads(data))


def _service_changes(data: bytes) -> tuple[ServiceChange, ...]:
    return tuple(ServiceChange(_row(before), _row(after)) for before, after in json.loads(data))


def _change(
    backend: str, path: list[str], before: list[str] | None, after: list[str] | None
) -> Change:
    return Change(ObjectAddress(backend, tuple(path)), _recorded(before), _recorded(after))


def _recorded(lines: list[str] | None) -> RecordedObject | None:
    return None if lines is None else RecordedObject(tuple(lines))


def _row(value: list[Any] | None) -> ServiceRow | None:
    if value is None:
        return None
    name, protocol, family, frontends, endpoints, notes = value
    return ServiceRow(name, protocol, family, tuple(frontends), tuple(endpoints), tuple(notes))


def _diagnostics(values: list[Mapping[str, Any]]) -> tuple[Diagnostic, ...]:
    return tuple(
        Diagnostic(
            code=value["code"],
            severity=Severity(value["severity"]),
            summary=value["summary"],
            detail=value["detail"],
            where=_where(value["where"]),
        )
        for value in values
    )


def _where(value: Mapping[str, Any] | None) -> Location | Origin | None:
    if value is None:
        return None
    if "line" in value:
        return Location(value["file"], value["line"], value["column"])
    return Origin(value["file"], value["document"], tuple(value["path"]))
