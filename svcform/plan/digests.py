"""Digests of snapshots: of all that is svcform's on a node."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from svcform.plan.snapshot import Layered, Snapshot

_MODULUS = 1 << 256


class SnapshotDigests:
    """Digests, remembered layer by layer, so that nodes which share a layer share its cost.

    A snapshot's digest is the sum of its objects': it depends on no order and on no layering.
    """

    def __init__(self) -> None:
        self._sums: dict[int, tuple[Snapshot, int]] = {}

    def of(self, snapshots: Iterable[Snapshot]) -> str:
        """The digest of some snapshots together, 64 hexadecimal digits; empty for no objects."""
        total = sum(self._sum(layer) for found in snapshots for layer in layers(found))
        return f"{total % _MODULUS:064x}" if total else ""

    def _sum(self, layer: Snapshot) -> int:
        known = self._sums.get(id(layer))
        if known is None:
            # The layer is kept, too: its id must not be given to another one.
            known = self._sums[id(layer)] = (layer, _sum(layer))
        return known[1]


def layers(snapshot: Snapshot) -> tuple[Snapshot, ...]:
    """The layers of a snapshot; one that has none is a layer itself."""
    return snapshot.layers if isinstance(snapshot, Layered) else (snapshot,)


def _sum(layer: Snapshot) -> int:
    total = 0
    for address, found in layer.items():
        text = "\n".join(("\0".join((address.backend, *address.path)), *found.lines()))
        total += int.from_bytes(hashlib.sha256(text.encode()).digest(), "big")
    return total
