"""The values that a Service needs: given in its manifest, kept in the lock file, or to allocate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from svcform.diagnostics import Diagnostic, Location, Origin, Severity
from svcform.model.lock import LockEntry, port_id
from svcform.model.net import Family, family_of
from svcform.model.service import IPFamilyPolicy, Service, ServicePort, ServiceType
from svcform.policy.ranges import NumberRange, Ranges, pool_range, port_range, service_range

#: Names the pool that a Service's load-balancer address comes from.
POOL_ANNOTATION = "svcform.io/load-balancer-pool"

_NO_POOL = {family: NumberRange((), 0, family) for family in Family}


class SlotKind(Enum):
    """What a value is for."""

    CLUSTER_IP = "clusterIP"
    NODE_PORT = "nodePort"
    LOAD_BALANCER_IP = "load-balancer address"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One value of one Service.

    ``part`` tells its slots of a kind apart: a family or a port.  ``given`` is the manifest's
    value, ``locked`` the lock file's; both are empty where there is none.  ``source`` names the
    setting behind ``numbers``.
    """

    service: Service
    kind: SlotKind
    part: Family | ServicePort
    numbers: NumberRange
    source: str
    given: str = ""
    locked: str = ""
    locked_at: Location | None = field(default=None, compare=False)

    @property
    def seed(self) -> str:
        """What the first candidate is a hash of."""
        part = port_id(self.part) if isinstance(self.part, ServicePort) else self.part.value
        return f"{self.kind.value} {self.service.key} {part}"

    @property
    def claim(self) -> str:
        """What only one Service can have: a node port is one a protocol."""
        value = self.given or self.locked
        if isinstance(self.part, ServicePort):
            return f"{value}/{self.part.protocol.value}"
        return value

    @property
    def origin(self) -> Origin:
        """Where the manifest says, or should say, the value."""
        origin = self.service.origin
        if self.kind is SlotKind.CLUSTER_IP and self.given:
            return origin.at("spec", "clusterIP")
        if isinstance(self.part, ServicePort) and self.given:
            return origin.at("spec", "ports", self.service.ports.index(self.part), "nodePort")
        return origin


class Slots:
    """Makes the slots of Services; holds the ranges of one project."""

    def __init__(self, ranges: Ranges) -> None:
        self._service = {f: service_range(ranges.service_cidrs, f) for f in Family}
        self._ports = port_range(ranges.node_port_range)
        self._pools = {
            name: {f: pool_range(entries, f) for f in Family}
            for name, entries in sorted(ranges.load_balancer_pools.items())
        }
        self._default = next((f for f in Family if self._service[f].size), Family.IPV4)
        if ranges.service_cidrs:
            self._default = family_of(ranges.service_cidrs[0])

    def of(self, service: Service, entry: LockEntry) -> list[Slot]:
        """All slots of a Service, in a fixed order."""
        if service.type is ServiceType.EXTERNAL_NAME or service.headless:
            return []
        return [
            *self._cluster_ips(service, entry),
            *self._node_ports(service, entry),
            *self._load_balancer_ips(service, entry),
        ]

    def pool_problem(self, service: Service) -> Diagnostic | None:
        """An error if a Service names a pool that isn't there."""
        name = service.annotation(POOL_ANNOTATION)
        if name is None or name in self._pools or not wants_load_balancer_ip(service):
            return None
        known = ", ".join(self._pools) or "none"
        return Diagnostic(
            "SVC307",
            Severity.ERROR,
            "No such load-balancer pool",
            f"{service.key} asks for an address of the pool {name!r}; load_balancer_pools has "
            f"{known}. Add the pool, or correct the annotation {POOL_ANNOTATION}.",
            service.origin.at("metadata", "annotations", POOL_ANNOTATION),
        )

    def _cluster_ips(self, service: Service, entry: LockEntry) -> list[Slot]:
        given = {family_of(address): address for address in service.cluster_ips}
        locked = {family_of(address): address for address in entry.cluster_ips}
        return [
            Slot(
                service=service,
                kind=SlotKind.CLUSTER_IP,
                part=family,
                numbers=self._service[family],
                source="service_cidrs",
                given=given.get(family, ""),
                locked=locked.get(family, ""),
                locked_at=entry.where,
            )
            for family in self._families(service)
        ]

    def _families(self, service: Service) -> tuple[Family, ...]:
        given = tuple(dict.fromkeys(map(family_of, service.cluster_ips)))
        families = service.ip_families or given or (self._default,)
        policy = service.ip_family_policy
        if len(families) > 1 or policy in {None, IPFamilyPolicy.SINGLE_STACK}:
            return families
        other = next(family for family in Family if family not in families)
        if policy is IPFamilyPolicy.REQUIRE_DUAL_STACK or self._service[other].size:
            return (*families, other)
        return families

    def _node_ports(self, service: Service, entry: LockEntry) -> list[Slot]:
        return [
            Slot(
                service=service,
                kind=SlotKind.NODE_PORT,
                part=port,
                numbers=self._ports,
                source="node_port_range",
                given=str(port.node_port) if port.node_port else "",
                locked=str(entry.node_ports.get(port_id(port), "")),
                locked_at=entry.where,
            )
            for port in service.ports
            if port.node_port or _wants_node_ports(service)
        ]

    def _load_balancer_ips(self, service: Service, entry: LockEntry) -> list[Slot]:
        if not wants_load_balancer_ip(service):
            return []
        pool = service.annotation(POOL_ANNOTATION) or next(iter(self._pools), "")
        numbers: Mapping[Family, NumberRange] = self._pools.get(pool, _NO_POOL)
        locked = {family_of(address): address for address in entry.load_balancer_ips}
        families = self._families(service)
        wanted = tuple(f for f in families if numbers[f].size or f in locked)
        if not wanted and pool in self._pools:
            wanted = families[:1]  # which then finds that the pool has nothing for it
        return [
            Slot(
                service=service,
                kind=SlotKind.LOAD_BALANCER_IP,
                part=family,
                numbers=numbers[family],
                source=f"load_balancer_pools ({pool})",
                locked=locked.get(family, ""),
                locked_at=entry.where,
            )
            for family in wanted
        ]


def wants_load_balancer_ip(service: Service) -> bool:
    """Whether the load-balancer address is svcform's to allocate."""
    return (
        service.type is ServiceType.LOAD_BALANCER
        and not service.ingress
        and not service.load_balancer_ip
        and not service.load_balancer_class
    )


def _wants_node_ports(service: Service) -> bool:
    if service.type is ServiceType.NODE_PORT:
        return True
    return service.type is ServiceType.LOAD_BALANCER and service.allocate_node_ports
