"""The reading file: what nodes answered, kept for a plan that reaches none of them.

The node's own check of the fingerprint makes such a plan as safe as any other.
``docs/reading-file.md`` describes the format.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from svcform.engine.observe import Observation, understand
from svcform.errors import NodeError
from svcform.plan import archive
from svcform.plan.archive import READING
from svcform.plan.encode import to_json
from svcform.program.reading import Section
from svcform.transport.contract import Binding

FORMAT = 1

_KINDS: list[type[NodeError]] = [NodeError, *NodeError.__subclasses__()]
_ERRORS = {kind.reason: kind for kind in _KINDS}


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedReading:
    """What nodes answered at a time (UTC, ``2026-05-04T03:02:01Z``), by their names."""

    when: str
    nodes: Mapping[str, Observation | NodeError]


def write(reading: SavedReading) -> bytes:
    """The bytes of the file."""
    blobs: dict[str, bytes] = {}
    nodes = {name: _node(seen, blobs) for name, seen in reading.nodes.items()}
    text = to_json({"format": FORMAT, "when": reading.when, "nodes": nodes})
    return archive.pack(READING, text, blobs)


def read(data: bytes) -> SavedReading:
    """The readings in a file.

    Raises PlanFileError for a file that is corrupt, truncated, foreign or tampered with.
    """
    text, blobs = archive.unpack(READING, data)
    try:
        value = json.loads(text)
        found = value["format"]
        if found == FORMAT:
            nodes = {name: _observation(node, blobs) for name, node in value["nodes"].items()}
            return SavedReading(when=str(value["when"]), nodes=nodes)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise archive.damaged(READING) from error
    raise archive.foreign(READING, found, FORMAT)


def _node(seen: Observation | NodeError, blobs: dict[str, bytes]) -> Mapping[str, Any]:
    if isinstance(seen, NodeError):
        return {
            "problem": {"reason": seen.reason, "message": str(seen), "remedy": seen.remedy},
        }
    sections = {}
    for name, section in seen.sections.items():
        blob = archive.sha256(section.output)
        blobs[blob] = section.output
        sections[name] = {"code": section.code, "output": blob, "error": section.error}
    return {"binding": asdict(seen.binding), "sections": sections}


def _observation(value: Mapping[str, Any], blobs: Mapping[str, bytes]) -> Observation | NodeError:
    if "problem" in value:
        problem = value["problem"]
        return _ERRORS[problem["reason"]](problem["message"], remedy=problem["remedy"])
    sections = {
        name: Section(int(entry["code"]), blobs[entry["output"]], str(entry["error"]))
        for name, entry in value["sections"].items()
    }
    try:
        return understand(sections, Binding(**value["binding"]))
    except NodeError as error:
        return error
