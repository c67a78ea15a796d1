"""What nodes of one run share: readings that are equal are read once, layers compared once."""

from __future__ import annotations

from collections.abc import Hashable

from svcform.backends.contract import Backend
from svcform.engine.observe import Observation
from svcform.engine.verify import read_live
from svcform.plan.diff import Change, compare
from svcform.plan.digests import SnapshotDigests, layers
from svcform.plan.snapshot import ObjectAddress, Snapshot


class Shared:
    """Memory of one proposal; everything in it is a pure function of its key."""

    def __init__(self) -> None:
        self.digests = SnapshotDigests()
        self._live: dict[Hashable, Snapshot] = {}
        self._compared: dict[tuple[int, int], tuple[Snapshot, Snapshot, tuple[Change, ...]]] = {}
        self._addresses: dict[int, tuple[Snapshot, frozenset[ObjectAddress]]] = {}

    def live(self, backend: Backend, observation: Observation) -> Snapshot:
        """What is live of one backend; nodes with equal readings and tools get the same object.

        Raises ToolMissing or ReadingFailed.
        """
        facts = observation.facts
        key = (
            backend.name,
            facts.kernel,
            tuple(sorted(facts.tools.items())),
            facts.modules,
            tuple(observation.readings[probe.name] for probe in backend.probes()),
        )
        if key not in self._live:
            self._live[key] = read_live(backend, observation)
        return self._live[key]

    def compare(self, live: Snapshot, wanted: Snapshot) -> tuple[Change, ...]:
        """All changes from ``live`` to ``wanted``, sorted by address."""
        changes: list[Change] = []
        gone = set(self._keys(live))
        for layer in layers(wanted):
            gone -= self._keys(layer)
            changes += self._of_layer(live, layer)
        changes += [Change(address, live[address], None) for address in gone]
        return tuple(sorted(changes, key=lambda change: change.address))

    def _of_layer(self, live: Snapshot, layer: Snapshot) -> tuple[Change, ...]:
        key = (id(live), id(layer))
        if key not in self._compared:
            known = {address: live[address] for address in layer if address in live}
            self._compared[key] = (live, layer, compare(known, layer))
        return self._compared[key][2]

    def _keys(self, snapshot: Snapshot) -> frozenset[ObjectAddress]:
        key = id(snapshot)
        if key not in self._addresses:
            self._addresses[key] = (snapshot, frozenset(snapshot))
        return self._addresses[key][1]
