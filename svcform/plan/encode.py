"""A plan as JSON, with everything big as a blob that is named by its SHA-256."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

from svcform.diagnostics import Diagnostic, Location, Origin
from svcform.plan.diff import Change
from svcform.plan.plan import NodePlan, Plan
from svcform.plan.services import ServiceChange
from svcform.plan.services_tsv import write_rows
from svcform.plan.snapshot import NodeObject
from svcform.program.program import Checkpoint, Fingerprint, Program, Step

T = TypeVar("T")

FORMAT = 1
"""The version of the plan file; docs/plan-file.md describes it."""


def to_json(value: object) -> bytes:
    """Canonical JSON: sorted keys, no spaces, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


class Encoder:
    """Encodes one plan; ``blobs`` holds what :meth:`plan` refers to."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self._known: dict[tuple[object, int], tuple[object, str]] = {}

    def plan(self, plan: Plan) -> bytes:
        """The plan's JSON."""
        return to_json(
            {
                "format": FORMAT,
                "project": plan.project_id,
                "nodes": [self._node(node) for node in plan.nodes],
                "batches": [asdict(batch) for batch in plan.batches],
                "refusals": _diagnostics(plan.refusals),
            }
        )

    def _blob(self, data: bytes) -> str:
        name = hashlib.sha256(data).hexdigest()
        self.blobs[name] = data
        return name

    def _once(self, value: T, encode: Callable[[T], bytes]) -> str:
        """The blob of a value; nodes of a class have the very same ones."""
        key = (encode, id(value))
        if key not in self._known:
            # The value is kept, too: its id must not be given to another one.
            self._known[key] = (value, self._blob(encode(value)))
        return self._known[key][1]

    def _node(self, node: NodePlan) -> dict[str, Any]:
        return {
            "node": node.node,
            "plays": node.plays,
            "binding": asdict(node.binding) if node.binding else None,
            "changes": self._once(node.changes, _changes),
            "service_changes": self._once(node.service_changes, _service_changes),
            "services": self._once(node.services, write_rows),
            "program": self._program(node.program),
            "checkpoints": [self._checkpoint(entry) for entry in node.checkpoints],
            "diagnostics": _diagnostics(node.diagnostics),
            "drift": [[a.backend, a.path] for a in node.drift],
            "absent": node.absent,
            "layout": node.layout,
            "project": node.project,
            "before": node.before,
            "after": node.after,
            "claims": node.claims,
            "problem": asdict(node.problem) if node.problem else None,
        }

    def _program(self, program: Program) -> str:
        return self._blob(
            to_json(
                {
                    "steps": [self._step(step) for step in program.steps],
                    "undo": [self._step(step) for step in program.undo],
                    "fingerprints": [self._fingerprint(f) for f in program.fingerprints],
                }
            )
        )

    def _step(self, step: Step) -> dict[str, Any]:
        return {
            "backend": step.backend,
            "phase": step.phase.name,
            "summary": step.summary,
            "command": step.command,
            "rehearsal": step.rehearsal,
            "stdin": self._once(step.stdin, bytes),
            "stores": step.stores,
            "waits": step.waits,
        }

    def _fingerprint(self, entry: Fingerprint) -> dict[str, Any]:
        return {
            "backend": entry.backend,
            "script": self._blob(entry.script.encode()),
            "operands": self._once(entry.operands, bytes),
            "expected": self._once(entry.expected, bytes),
        }

    def _checkpoint(self, entry: Checkpoint) -> dict[str, Any]:
        return {
            "backend": entry.backend,
            "save": self._blob(entry.save.encode()),
            "restore": self._blob(entry.restore.encode()),
        }


def _changes(changes: Sequence[Change]) -> bytes:
    return to_json([_change(change) for change in changes])


def _service_changes(changes: Sequence[ServiceChange]) -> bytes:
    return to_json([[c.before, c.after] for c in changes])


def _change(change: Change) -> list[Any]:
    address = change.address
    return [address.backend, address.path, _lines(change.before), _lines(change.after)]


def _lines(found: NodeObject | None) -> tuple[str, ...] | None:
    return None if found is None else found.lines()


def _diagnostics(diagnostics: Sequence[Diagnostic]) -> list[dict[str, Any]]:
    return [
        {
            "code": finding.code,
            "severity": finding.severity.value,
            "summary": finding.summary,
            "detail": finding.detail,
            "where": _where(finding.where),
        }
        for finding in diagnostics
    ]


def _where(where: Location | Origin | None) -> dict[str, Any] | None:
    match where:
        case Location():
            return {"file": where.file, "line": where.line, "column": where.column}
        case Origin():
            return {"file": where.file, "document": where.document, "path": where.path}
    return None
