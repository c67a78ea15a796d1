"""Service ports as a node's table of Services has them: the inverse of :mod:`svcform.policy.table`.

What a run does not target stays as it is on the node, and what the node remembers are rows.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

from svcform.model.net import Family, Protocol, endpoint_text
from svcform.model.service import NamespacedName, TrafficPolicy
from svcform.plan.services import ServiceRow
from svcform.policy import table
from svcform.policy.frontends import sort_frontends
from svcform.policy.intent import (
    Destination,
    Frontend,
    FrontendKind,
    Masquerade,
    Pool,
    PortIntent,
    Route,
    Verdict,
)
from svcform.policy.routes import Targets, Traits, external_routes, internal_routes

_NAME = re.compile(r"([^/:]+)/([^/:]+)(?::([^/:]+))?")
_PLACE = re.compile(r"(?:\[([0-9a-f:.]+)\]|([0-9.]*)):([0-9]{1,5})")


def is_own(row: ServiceRow) -> bool:
    """Whether the row is of a port that differs between the nodes of a class (``Intent.own``)."""
    return any(
        note == table.DIFFERS or note.startswith((table.INTERNAL_LOCAL, table.EXTERNAL_LOCAL))
        for note in row.notes
    )


def forget_local_pods(row: ServiceRow) -> ServiceRow:
    """The row as it is on a node without ``pod_cidrs`` of the family."""
    known = {table.PODS_REACH_ALL, table.MASQUERADE_NOTES[Masquerade.UNLESS_LOCAL_POD]}
    if known.isdisjoint(row.notes):
        return row
    return row._replace(notes=tuple(note for note in row.notes if note not in known))


def port_intent(row: ServiceRow) -> PortIntent:
    """The Service port of a row.

    Nothing is lost but which endpoints serve that are neither reachable nor draining.
    Raises ValueError for a row that ``policy.table`` never wrote.
    """
    name = _NAME.fullmatch(row.name)
    if not name:
        raise ValueError(f"{row.name!r} is no Service")
    protocol, family = Protocol(row.protocol), Family(row.family)
    endpoints = tuple(map(_destination, row.endpoints))
    draining = tuple(map(_destination, _after(row, f"{table.DRAINING} ")))
    is_udp = protocol is Protocol.UDP
    return PortIntent(
        service=NamespacedName(name[1], name[2]),
        port_name=name[3] or "",
        protocol=protocol,
        family=family,
        frontends=_frontends(row, protocol, _Routes(row, family, endpoints)),
        endpoints=endpoints,
        internal_policy=_policy(row, table.INTERNAL_LOCAL),
        external_policy=_policy(row, table.EXTERNAL_LOCAL),
        serving=_in_order({*endpoints, *draining}) if is_udp else (),
        draining=draining,
        health_check_node_port=int(_only(row, f"{table.HEALTH_CHECK} :") or 0),
        scheduler=_only(row, f"{table.SCHEDULER} ") or "",
    )


class _Routes:
    """The routes of a row's frontends: all clusterIPs have the same, and so have all others."""

    def __init__(self, row: ServiceRow, family: Family, endpoints: tuple[Destination, ...]) -> None:
        affinity = _only(row, f"{table.AFFINITY} ")
        self._row = row
        self._family = family
        self._cluster = endpoints
        self._affinity = int(affinity.removesuffix("s")) if affinity else None
        if (narrowed := _only(row, f"{table.CLUSTER} ")) is not None:
            self._cluster = _destinations(narrowed)

    def internal(self) -> tuple[Route, ...]:
        """Those of clusterIPs."""
        ways = {way for way, note in table.MASQUERADE_NOTES.items() if note in self._row.notes}
        traits = self._traits(
            knows_pods=Masquerade.UNLESS_LOCAL_POD in ways, masquerade_all=Masquerade.ALWAYS in ways
        )
        policy = _policy(self._row, table.INTERNAL_LOCAL)
        return internal_routes(self._targets(table.INTERNAL_LOCAL), policy, self._family, traits)

    def external(self) -> tuple[Route, ...]:
        """Those of all other frontends."""
        traits = self._traits(
            knows_pods=table.PODS_REACH_ALL in self._row.notes, masquerade_all=False
        )
        policy = _policy(self._row, table.EXTERNAL_LOCAL)
        return external_routes(self._targets(table.EXTERNAL_LOCAL), policy, self._family, traits)

    def _traits(self, *, knows_pods: bool, masquerade_all: bool) -> Traits:
        return Traits(frozenset({self._family} if knows_pods else ()), masquerade_all)

    def _targets(self, word: str) -> Targets | None:
        here = _only(self._row, word)
        if here == table.NONE_ANYWHERE or (here is None and not self._cluster):
            return None
        local: tuple[Destination, ...] = ()
        if here is not None and here.startswith(table.HERE):
            local = _destinations(here.removeprefix(table.HERE))
        return Targets(self._pool(self._cluster), self._pool(local))

    def _pool(self, destinations: tuple[Destination, ...]) -> Pool | Verdict:
        return Pool(destinations, self._affinity) if destinations else Verdict.DROP


def _frontends(row: ServiceRow, protocol: Protocol, routes: _Routes) -> tuple[Frontend, ...]:
    internal, external = routes.internal(), routes.external()
    allowed = tuple(sorted(_after(row, f"{table.FROM} "), key=_network_order)) or None
    places = [_place(text) for text in row.frontends]
    virtual_ips = {address for kind, address, _ in places if kind is FrontendKind.LOAD_BALANCER}
    own_addresses = tuple(sorted(address for address in virtual_ips if address))
    frontends = []
    for kind, address, port in places:
        found = internal if kind is FrontendKind.CLUSTER_IP else external
        frontend = Frontend(kind, address, port, protocol, found)
        if allowed and kind is FrontendKind.LOAD_BALANCER:
            frontend = Frontend(kind, address, port, protocol, found, allowed, own_addresses)
        frontends.append(frontend)
    return sort_frontends(frontends)


def _place(text: str) -> tuple[FrontendKind, str | None, int]:
    kind, _, place = text.partition(" ")
    address, port = _split(place)
    return FrontendKind(kind), address or None, port


def _split(text: str) -> tuple[str, int]:
    found = _PLACE.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} has no address and port")
    return found[1] or found[2], int(found[3])


def _destination(text: str) -> Destination:
    return Destination(*_split(text))


def _destinations(texts: str) -> tuple[Destination, ...]:
    return tuple(map(_destination, texts.split()))


def _in_order(destinations: Iterable[Destination]) -> tuple[Destination, ...]:
    return tuple(sorted(destinations, key=lambda destination: endpoint_text(*destination)))


def _policy(row: ServiceRow, word: str) -> TrafficPolicy:
    return TrafficPolicy.CLUSTER if _only(row, word) is None else TrafficPolicy.LOCAL


def _after(row: ServiceRow, word: str) -> list[str]:
    return [note.removeprefix(word) for note in row.notes if note.startswith(word)]


def _only(row: ServiceRow, word: str) -> str | None:
    return next(iter(_after(row, word)), None)


def _network_order(cidr: str) -> tuple[int, int]:
    network = ipaddress.ip_network(cidr)
    return int(network.network_address), network.prefixlen
