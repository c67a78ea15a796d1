"""``--target`` and ``--exclude``: some Services of a node, and the others as they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from svcform.errors import NodeError, UsageError
from svcform.model.service import NamespacedName, Service
from svcform.plan.services import ServiceRow
from svcform.policy import table
from svcform.policy.intent import FrontendKind, Intent, PortGroup


class TargetImpossible(NodeError):
    """What is not targeted differs from what is on the node, and can't be kept as it is."""

    reason = "input"


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """Which Services a run is about; everything, if there are no patterns.

    A pattern is ``namespace/name`` or ``name`` with globs, or ``label=value``.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    services: Mapping[NamespacedName, Service] = field(repr=False)

    @property
    def is_everything(self) -> bool:
        """Whether nothing is left out."""
        return not self.include and not self.exclude

    def has(self, name: str) -> bool:
        """Whether ``namespace/name`` is targeted; labels are those of the manifests."""
        key = NamespacedName(*name.split("/", 1))
        chosen = not self.include or any(self._matches(key, p) for p in self.include)
        return chosen and not any(self._matches(key, p) for p in self.exclude)

    def check(self, names: Iterable[str]) -> None:
        """Raise UsageError for a pattern that none of these Services matches."""
        keys = [NamespacedName(*name.split("/", 1)) for name in names]
        for pattern in (*self.include, *self.exclude):
            if not any(self._matches(key, pattern) for key in keys):
                raise UsageError(f"No Service matches {pattern!r}: see svcform get for the names.")

    def _matches(self, key: NamespacedName, pattern: str) -> bool:
        label, equals, value = pattern.partition("=")
        if equals:
            service = self.services.get(key)
            return service is not None and service.label(label) == value
        text = str(key) if "/" in pattern else key.name
        return fnmatchcase(text, pattern)


class Narrower:
    """Narrows intents; nodes of a class that remember the same go on sharing their groups."""

    def __init__(self, targets: Targets, *, destroy: bool = False) -> None:
        self._targets = targets
        self._destroy = destroy
        self._groups: dict[tuple[int, frozenset[str]], tuple[PortGroup, PortGroup]] = {}

    def narrow(self, intent: Intent, recorded: Sequence[ServiceRow]) -> Intent:
        """The intent with the targeted Services as wished, and the others as recorded.

        With ``destroy`` the targeted ones go, and with no target everything does.
        Raises TargetImpossible where another Service differs: what a node keeps of a Service is not
        all that its rules are made of.
        """
        if self._targets.is_everything:
            return replace(intent, wanted=False) if self._destroy else intent
        wanted = table.rows(intent) if intent.wanted else ()
        left_out = frozenset((*self._left_out(wanted, recorded), *self._destroyed(wanted)))
        common = self._without(intent.common, left_out)
        own = self._without(intent.own, left_out)
        ports = (*common.ports, *own.ports)
        endpoints = {destination.address for port in ports for destination in port.endpoints}
        return replace(
            intent,
            common=common,
            own=own,
            cluster_ips=_without_addresses(intent, left_out),
            hairpin=tuple(address for address in intent.hairpin if address in endpoints),
            health_check_node_ports=self._health_checks(intent, left_out),
        )

    def _left_out(
        self, wanted: Sequence[ServiceRow], recorded: Sequence[ServiceRow]
    ) -> Iterable[str]:
        """The Services that stay away: not targeted, and not on the node."""
        here = {service_name(row) for row in recorded}
        differs: set[str] = set()
        for before, after in table.compare(recorded, wanted):
            row = after or before
            if row is None or self._targets.has(name := service_name(row)):
                continue
            if name in here:
                differs.add(name)
            else:
                yield name
        if differs:
            names = ", ".join(sorted(differs)[:5])
            raise TargetImpossible(
                f"{names} would change, too, and is not targeted.",
                remedy="Target it as well, or undo its change in the manifests for now.",
            )

    def _destroyed(self, wanted: Sequence[ServiceRow]) -> Iterable[str]:
        names = map(service_name, wanted) if self._destroy else ()
        return (name for name in names if self._targets.has(name))

    def _health_checks(self, intent: Intent, left_out: frozenset[str]) -> tuple[int, ...]:
        services = self._targets.services
        gone = {s.health_check_node_port for key, s in services.items() if str(key) in left_out}
        return tuple(port for port in intent.health_check_node_ports if port not in gone)

    def _without(self, group: PortGroup, left_out: frozenset[str]) -> PortGroup:
        key = (id(group), left_out)
        if key not in self._groups:
            kept = PortGroup(tuple(p for p in group.ports if str(p.service) not in left_out))
            # The group is kept, too: its id must not be given to another one.
            self._groups[key] = (group, kept if left_out else group)
        return self._groups[key][1]


def service_name(row: ServiceRow) -> str:
    """``namespace/name`` of a row."""
    return row.name.partition(":")[0]


def _without_addresses(intent: Intent, left_out: frozenset[str]) -> tuple[str, ...]:
    gone = {
        frontend.address
        for port in (*intent.common.ports, *intent.own.ports)
        if str(port.service) in left_out
        for frontend in port.frontends
        if frontend.kind is FrontendKind.CLUSTER_IP
    }
    return tuple(address for address in intent.cluster_ips if address not in gone)
