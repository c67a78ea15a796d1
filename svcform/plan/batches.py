"""Rolling batches from ``serial``, as Ansible makes them (2.17, ``playbook_executor.py``)."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from svcform.model.node import Play
from svcform.plan.plan import Batch


def batches(plays: Sequence[Play], nodes: Collection[str]) -> tuple[Batch, ...]:
    """The batches of all plays, in order; a node is in the first play that has it.

    Only ``nodes`` are in them.  A percentage is one of all the play's nodes, rounded down, and
    at least one node; the last entry of ``serial`` holds for the rest.
    """
    found: list[Batch] = []
    taken: set[str] = set()
    for play in plays:
        mine = [name for name in play.nodes if name in nodes and name not in taken]
        taken.update(mine)
        found += [
            Batch(nodes=part, max_fail_percentage=play.max_fail_percentage)
            for part in _parts(mine, play.serial)
        ]
    return tuple(found)


def _parts(names: list[str], serial: Sequence[str]) -> list[tuple[str, ...]]:
    sizes = [_size(entry, len(names)) for entry in serial] or [len(names)]
    parts: list[tuple[str, ...]] = []
    position = 0
    while position < len(names):
        size = sizes[min(len(parts), len(sizes) - 1)] or len(names)
        parts.append(tuple(names[position : position + size]))
        position += size
    return parts


def _size(entry: str, total: int) -> int:
    if entry.endswith("%"):
        return max(int(float(entry[:-1]) / 100 * total), 1)
    return int(entry)
