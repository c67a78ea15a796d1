"""A plan as JSON, with everything big as a blob that is named by its SHA-256."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from svcform.diagnostics import Diagnostic, Location, Origin
from svcform.plan.diff import Change
from svcform.plan.plan import NodePlan, Plan
from svcform.plan.services import ServiceChange, ServiceRow
from svcform.plan.services_tsv import write_rows
from svcform.plan.snapshot import NodeObject
from svcform.program.program import Checkpoint, Fingerprint, Program, Step

FORMAT = 1
"""The version of the plan file; docs/plan-file.md describes it."""


def to_json(value: object) -> bytes:
    """Canonical JSON: sorted keys, no spaces, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


class Encoder:
    """Encodes one plan; ``blobs`` holds what :meth:`plan` refers to."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self._rows: dict[int, tuple[Sequence[ServiceRow], str]] = {}

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

    def _node(self, node: NodePlan) -> dict[str, Any]:
        return {
            "node": node.node,
            "plays": node.plays,
            "binding": asdict(node.binding) if node.binding else None,
            "changes": self._blob(to_json([_change(change) for change in node.changes])),
            "service_changes": self._service_changes(node.service_changes),
            "services": self._services(node.services),
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

    def _services(self, rows: Sequence[ServiceRow]) -> str:
        """Nodes of a class have the very same rows."""
        if id(rows) not in self._rows:
            self._rows[id(rows)] = (rows, self._blob(write_rows(rows)))
        return self._rows[id(rows)][1]

    def _service_changes(self, changes: Sequence[ServiceChange]) -> str:
        return self._blob(to_json([[c.before, c.after] for c in changes]))

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
            "stdin": self._blob(step.stdin),
        }

    def _fingerprint(self, entry: Fingerprint) -> dict[str, Any]:
        return {
            "backend": entry.backend,
            "script": self._blob(entry.script.encode()),
            "operands": self._blob(entry.operands),
            "expected": self._blob(entry.expected),
        }

    def _checkpoint(self, entry: Checkpoint) -> dict[str, Any]:
        return {
            "backend": entry.backend,
            "save": self._blob(entry.save.encode()),
            "restore": self._blob(entry.restore.encode()),
        }


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
