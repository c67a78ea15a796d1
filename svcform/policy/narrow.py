"""An intent of which only some Services are as decided, and the others as a node remembers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import NamedTuple

from svcform.errors import ReadingFailed, TargetImpossible
from svcform.model.net import Family, Protocol, family_of
from svcform.model.settings import ProxyMode
from svcform.plan.services import ServiceRow
from svcform.policy.frontends import sort_key
from svcform.policy.hairpin import may_be_here
from svcform.policy.intent import FrontendKind, Intent, PortGroup, PortIntent
from svcform.policy.recorded import forget_local_pods, is_own, port_intent


class _Claim(NamedTuple):
    """What only one Service port can have; ``address`` is None for a node port."""

    family: Family
    address: str | None
    port: int
    protocol: Protocol


@dataclass(frozen=True, slots=True, eq=False)
class _Narrowed:
    """A group with the ports that were decided for it, and those that are kept.

    ``addresses`` are those of its endpoints, ``left_out`` those of decided ports that aren't in it.
    ``remembered`` are those that only the node knows.
    """

    decided: PortGroup
    group: PortGroup
    addresses: frozenset[str]
    left_out: frozenset[str]
    remembered: frozenset[str]


class Narrower:
    """Narrows the intents of a run; nodes that remember the same share what comes of it.

    ``is_targeted`` tells of ``namespace/name`` whether the run is about it.  With ``destroy`` those
    Services go.
    """

    def __init__(self, is_targeted: Callable[[str], bool], *, destroy: bool = False) -> None:
        self._is_targeted = cache(is_targeted)
        self._destroy = destroy
        self._groups: dict[object, _Narrowed] = {}
        self._merged: dict[tuple[int, int], tuple[Intent, tuple[str, ...], tuple[int, ...]]] = {}

    def narrow(self, intent: Intent, recorded: Sequence[ServiceRow]) -> Intent:
        """The intent with the targeted Services as decided, and the others as recorded.

        The node's settings hold for all of them.  Raises TargetImpossible where a Service can't
        stay as it is, and ReadingFailed where the table is damaged.
        """
        kept = tuple(row for row in recorded if not self._is_targeted(row.service))
        if not intent.wanted or intent.settings.proxy_mode is ProxyMode.NONE:
            _refuse_to_empty(intent.node_name, kept)
            return intent
        families = frozenset(map(family_of, intent.settings.pod_cidrs))
        common = self._group(intent.common, [r for r in kept if not is_own(r)], families)
        own = self._group(intent.own, [r for r in kept if is_own(r)], families)
        narrowed = replace(
            intent,
            common=common.group,
            own=own.group,
            hairpin=_hairpin(intent, common, own),
        )
        cluster_ips, health_checks = self._of_both(narrowed)
        return replace(narrowed, cluster_ips=cluster_ips, health_check_node_ports=health_checks)

    def _group(
        self, decided: PortGroup, rows: Sequence[ServiceRow], families: frozenset[Family]
    ) -> _Narrowed:
        told = tuple(
            row if Family(row.family) in families else forget_local_pods(row) for row in rows
        )
        key = (id(decided), told)
        if key not in self._groups:
            self._groups[key] = self._make_group(decided, told)
        return self._groups[key]

    def _make_group(self, decided: PortGroup, rows: Sequence[ServiceRow]) -> _Narrowed:
        try:
            kept = [port_intent(row) for row in rows]
        except ValueError as error:
            raise ReadingFailed(f"The node's state folder has been damaged: {error}.") from error
        chosen = [port for port in decided.ports if self._is_chosen(port)]
        ports = tuple(sorted((*kept, *chosen), key=sort_key))
        known = _addresses(decided.ports)
        addresses = _addresses(ports)
        return _Narrowed(
            decided=decided,
            group=PortGroup(ports) if ports != decided.ports else decided,
            addresses=addresses,
            left_out=known - addresses,
            remembered=_addresses(kept) - known,
        )

    def _is_chosen(self, port: PortIntent) -> bool:
        return not self._destroy and self._is_targeted(str(port.service))

    def _of_both(self, intent: Intent) -> tuple[tuple[str, ...], tuple[int, ...]]:
        """The clusterIPs and the health checks' ports; refuses two Services at one place."""
        key = (id(intent.common), id(intent.own))
        if key not in self._merged:
            ports = (*intent.common.ports, *intent.own.ports)
            self._refuse_clashes(ports)
            # The intent is kept, too: its groups' ids must not be given to others.
            self._merged[key] = (intent, _cluster_ips(ports), _health_checks(ports))
        return self._merged[key][1:]

    def _refuse_clashes(self, ports: Iterable[PortIntent]) -> None:
        claims: dict[_Claim, PortIntent] = {}
        for port in ports:
            for claim in _claims(port):
                other = claims.setdefault(claim, port)
                if self._is_chosen(port) is not self._is_chosen(other):
                    self._refuse_clash(port, other, claim)

    def _refuse_clash(self, one: PortIntent, other: PortIntent, claim: _Claim) -> None:
        new, old = (one, other) if self._is_chosen(one) else (other, one)
        place = f"{claim.address or 'node port'} {claim.port}/{claim.protocol.value}"
        raise TargetImpossible(
            f"{new.service} would take {place} from {old.service}, which is not targeted.",
            remedy=f"Target {old.service} as well.",
        )


def _refuse_to_empty(node: str, kept: Sequence[ServiceRow]) -> None:
    if kept:
        names = ", ".join(sorted({row.service for row in kept})[:5])
        raise TargetImpossible(
            f"{node} should run no Services any more, and {names} would go without being targeted.",
            remedy="Leave out --target and --exclude to empty the node.",
        )


def _hairpin(intent: Intent, *groups: _Narrowed) -> tuple[str, ...]:
    """What was decided, less what is left out, and more what only the node knows."""
    reached = frozenset().union(*(group.addresses for group in groups))
    left_out = frozenset().union(*(group.left_out for group in groups)) - reached
    remembered = frozenset().union(*(group.remembered for group in groups))
    here = may_be_here(remembered, intent.settings, intent.connection_host)
    return tuple(sorted({*intent.hairpin, *here} - left_out))


def _addresses(ports: Iterable[PortIntent]) -> frozenset[str]:
    return frozenset(destination.address for port in ports for destination in port.endpoints)


def _claims(port: PortIntent) -> Iterable[_Claim]:
    for frontend in port.frontends:
        yield _Claim(port.family, frontend.address, frontend.port, frontend.protocol)


def _cluster_ips(ports: Iterable[PortIntent]) -> tuple[str, ...]:
    addresses = {
        frontend.address
        for port in ports
        for frontend in port.frontends
        if frontend.kind is FrontendKind.CLUSTER_IP and frontend.address
    }
    return tuple(sorted(addresses))


def _health_checks(ports: Iterable[PortIntent]) -> tuple[int, ...]:
    return tuple(sorted({port.health_check_node_port for port in ports} - {0}))
