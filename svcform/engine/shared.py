"""What nodes of one run share: readings that are equal are read once, layers compared once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

from svcform.backends.contract import Backend, RenderInput
from svcform.engine.observe import Observation
from svcform.engine.verify import read_live
from svcform.plan.diff import Change, compare
from svcform.plan.digests import SnapshotDigests, layers
from svcform.plan.services import ServiceChange, ServiceRow
from svcform.plan.snapshot import Layered, ObjectAddress, Snapshot
from svcform.policy import table
from svcform.program.program import Program

T = TypeVar("T")


class Shared:
    """Memory of one proposal; everything in it is a pure function of its key."""

    def __init__(self) -> None:
        self.digests = SnapshotDigests()
        self._live: dict[Hashable, Snapshot] = {}
        self._compared: dict[tuple[int, int], tuple[Snapshot, Snapshot, tuple[Change, ...]]] = {}
        self._addresses: dict[int, tuple[Snapshot, frozenset[ObjectAddress]]] = {}
        self._layers: dict[int, Snapshot] = {}
        self._by_content: dict[Hashable, Snapshot] = {}
        self._made: dict[Hashable, tuple[tuple[object, ...], Any]] = {}

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

    def wanted(self, snapshot: Snapshot) -> Snapshot:
        """The same snapshot, of the very layers that an earlier node had where they are equal."""
        return Layered(tuple(self._first(layer) for layer in layers(snapshot)))

    def _first(self, layer: Snapshot) -> Snapshot:
        if id(layer) in self._layers:
            return layer
        content = frozenset((address, found.lines()) for address, found in layer.items())
        first = self._by_content.setdefault(content, layer)
        self._layers[id(first)] = first
        return first

    def _once(self, name: str, parts: tuple[object, ...], make: Callable[[], T]) -> T:
        """What is made of these very objects, which are kept: their ids must not be reused."""
        key = (name, *map(id, parts))
        if key not in self._made:
            self._made[key] = (parts, make())
        found: T = self._made[key][1]
        return found

    def service_changes(
        self, before: tuple[ServiceRow, ...], after: tuple[ServiceRow, ...]
    ) -> tuple[ServiceChange, ...]:
        """What becomes of each row."""
        return self._once("rows", (before, after), lambda: table.compare(before, after))

    def program(self, backend: Backend, inputs: RenderInput) -> Program:
        """The backend's program; equal nodes have the same ``changes`` and the same ``live``.

        What is live is known by all that programs may depend on of facts and readings.
        """
        parts = (backend, inputs.changes, inputs.live)
        return self._once(f"program {inputs.drain_wait}", parts, lambda: backend.render(inputs))

    def joined(self, parts: Sequence[tuple[Change, ...]]) -> tuple[Change, ...]:
        """The changes of all backends."""
        return self._once("joined", tuple(parts), lambda: tuple(c for part in parts for c in part))

    def compare(self, live: Snapshot, wanted: Snapshot) -> tuple[Change, ...]:
        """All changes from ``live`` to ``wanted``, sorted by address."""
        parts = (live, *layers(wanted))
        return self._once("changes", parts, lambda: self._compare(live, wanted))

    def _compare(self, live: Snapshot, wanted: Snapshot) -> tuple[Change, ...]:
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
