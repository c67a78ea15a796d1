"""Allocation: clusterIPs, node ports and load-balancer addresses that manifests leave out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from svcform.diagnostics import Diagnostic
from svcform.model.lock import LockEntry, port_id
from svcform.model.net import Family, family_of
from svcform.model.service import Ingress, NamespacedName, Service, ServicePort, ServiceType
from svcform.policy import allocation_findings as findings
from svcform.policy.ranges import NumberRange, Ranges
from svcform.policy.slots import Slot, SlotKind, Slots

__all__ = ["Allocation", "Ranges", "Renumbering", "allocate"]

_NOTHING = LockEntry()


@dataclass(frozen=True, slots=True, kw_only=True)
class Renumbering:
    """A Service that gets another value than was allocated to it before."""

    service: NamespacedName
    what: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """What :func:`allocate` made: Services with all values, sorted by key, and the new entries.

    ``lock`` has an entry only for Services that had something allocated, now or before.
    """

    services: Mapping[NamespacedName, Service]
    lock: Mapping[NamespacedName, LockEntry]
    renumbered: tuple[Renumbering, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()


def allocate(
    services: Iterable[Service], ranges: Ranges, lock: Mapping[NamespacedName, LockEntry]
) -> Allocation:
    """Give every Service what its manifest leaves out.

    ``services`` must be all of the project: who is not there loses its entry.  A manifest's values
    win, then the lock file's; only the rest is allocated, in the order of keys, so that nothing
    depends on the order of files and a new Service never changes another.
    """
    ordered = sorted(services, key=lambda service: service.key)
    slots = Slots(ranges)
    work = _Work()
    by_service = {s.key: slots.of(s, lock.get(s.key, _NOTHING)) for s in ordered}
    for service in ordered:
        if problem := slots.pool_problem(service):
            work.diagnostics.append(problem)
        work.taken.update(_given_addresses(service))
    everything = [slot for found in by_service.values() for slot in found]
    for slot in everything:
        if slot.given:
            work.keep_given(slot)
    for slot in everything:
        if slot.locked and not slot.given:
            work.keep_locked(slot)
    for slot in everything:
        if not slot.given and not slot.locked:
            work.allocate(slot)
    return _result(ordered, by_service, work, lock)


@dataclass(slots=True)
class _Work:
    """What is taken so far, and by whom."""

    taken: set[str] = field(default_factory=set)
    owners: dict[tuple[bool, str], Slot] = field(default_factory=dict)
    values: dict[tuple[NamespacedName, str], str] = field(default_factory=dict)
    full: set[int] = field(default_factory=set)
    renumbered: list[Renumbering] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)

    def keep_given(self, slot: Slot) -> None:
        if slot.numbers.size and slot.given not in slot.numbers:
            self.diagnostics.append(findings.outside(slot))
        if slot.locked and slot.locked != slot.given:
            self.diagnostics.append(findings.renumbered(slot))
            self.renumbered.append(
                Renumbering(
                    service=slot.service.key,
                    what=slot.kind.value,
                    before=slot.locked,
                    after=slot.given,
                )
            )
        self._own(slot, slot.given)

    def keep_locked(self, slot: Slot) -> None:
        if slot.locked not in slot.numbers:
            self.diagnostics.append(findings.outside(slot))
        self._own(slot, slot.locked)

    def allocate(self, slot: Slot) -> None:
        if not slot.numbers.size:
            self.diagnostics.append(findings.no_range(slot))
            return
        value = self._free(slot.numbers, slot.seed)
        if not value:
            self.diagnostics.append(findings.exhausted(slot))
            return
        self.taken.add(value)
        self.values[slot.service.key, slot.seed] = value

    def _free(self, numbers: NumberRange, seed: str) -> str:
        # A full range is gone through once, not once for every Service that finds it full.
        if id(numbers) in self.full:
            return ""
        for candidate in numbers.candidates(seed):
            if candidate not in self.taken:
                return candidate
        self.full.add(id(numbers))
        return ""

    def _own(self, slot: Slot, value: str) -> None:
        claim = (isinstance(slot.part, ServicePort), slot.claim)
        owner = self.owners.setdefault(claim, slot)
        if owner is not slot and not _is_written_twice(slot, owner):
            self.diagnostics += [findings.clash(slot, owner), findings.clash(owner, slot)]
        self.taken.add(value)
        self.values[slot.service.key, slot.seed] = value


def _is_written_twice(slot: Slot, owner: Slot) -> bool:
    # One manifest says the same twice: whoever read it has refused that.
    return slot.service is owner.service and bool(slot.given and owner.given)


def _given_addresses(service: Service) -> list[str]:
    given = [*service.external_ips, *(ingress.address for ingress in service.ingress)]
    if service.load_balancer_ip:
        given.append(service.load_balancer_ip)
    if service.health_check_node_port:
        given.append(str(service.health_check_node_port))
    return given


def _result(
    ordered: list[Service],
    by_service: Mapping[NamespacedName, list[Slot]],
    work: _Work,
    lock: Mapping[NamespacedName, LockEntry],
) -> Allocation:
    filled: dict[NamespacedName, Service] = {}
    entries: dict[NamespacedName, LockEntry] = {}
    unannounced: list[Service] = []
    for service in ordered:
        slots = by_service[service.key]
        if _is_complete(service, slots):
            filled[service.key] = service
            continue
        values = {
            (slot.kind, slot.part): value
            for slot in slots
            if (value := work.values.get((service.key, slot.seed)))
        }
        filled[service.key] = _filled(service, values)
        allocated = {(slot.kind, slot.part) for slot in slots if slot.locked or not slot.given}
        kept = {place: value for place, value in values.items() if place in allocated}
        entry = _entry(kept, lock.get(service.key, _NOTHING))
        if not entry.is_empty:
            entries[service.key] = entry
        if filled[service.key].ingress and not service.ingress:
            unannounced.append(service)
    if unannounced:
        work.diagnostics.append(findings.unannounced(unannounced))
    return Allocation(
        services=filled,
        lock=entries,
        renumbered=tuple(work.renumbered),
        diagnostics=tuple(work.diagnostics),
    )


def _is_complete(service: Service, slots: list[Slot]) -> bool:
    if not slots:
        return True
    all_given = all(slot.given and not slot.locked for slot in slots)
    return all_given and bool(service.ip_families) and not service.load_balancer_ip


_Values = Mapping[tuple[SlotKind, Family | ServicePort], str]


def _filled(service: Service, values: _Values) -> Service:
    cluster_ips = _of_kind(values, SlotKind.CLUSTER_IP)
    addresses = _of_kind(values, SlotKind.LOAD_BALANCER_IP)
    wish = service.load_balancer_ip
    if wish and service.type is ServiceType.LOAD_BALANCER and not service.load_balancer_class:
        addresses = {family_of(wish): wish}
    ports = tuple(
        replace(port, node_port=int(values[SlotKind.NODE_PORT, port]))
        if (SlotKind.NODE_PORT, port) in values
        else port
        for port in service.ports
    )
    return replace(
        service,
        cluster_ips=tuple(cluster_ips.values()),
        ip_families=tuple(cluster_ips),
        ports=ports,
        ingress=service.ingress or tuple(Ingress(address=a) for a in addresses.values()),
    )


def _of_kind(values: _Values, kind: SlotKind) -> dict[Family, str]:
    return {
        part: value
        for (of, part), value in values.items()
        if of is kind and isinstance(part, Family)
    }


def _entry(values: _Values, before: LockEntry) -> LockEntry:
    return LockEntry(
        cluster_ips=tuple(_of_kind(values, SlotKind.CLUSTER_IP).values()),
        node_ports={
            port_id(part): int(value)
            for (_, part), value in values.items()
            if isinstance(part, ServicePort)
        },
        load_balancer_ips=tuple(_of_kind(values, SlotKind.LOAD_BALANCER_IP).values()),
        where=before.where,
    )
