"""With which endpoints the UDP connections of a node may stay after a change of its Services.

Conntrack takes a UDP client's next datagram to where it took the last one, whatever the rules say
by then; while the client keeps sending, an endpoint that went away swallows all of it.
The rules are kube-proxy's (v1.36 ``conntrack/cleanup.go``), with two differences: a Service
without a serving endpoint keeps nothing (kubernetes/kubernetes 139629), and neither does a
frontend that no Service has any more.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from svcform.model.net import Family, Protocol
from svcform.plan.services import ServiceChange, ServiceRow
from svcform.policy.intent import Destination, PortGroup
from svcform.policy.table import DRAINING

_UDP = Protocol.UDP.value
_PLACE = re.compile(r"\S+ \[?([0-9a-f:.]*?)\]?:([0-9]{1,5})")


class OriginalDestination(NamedTuple):
    """Where a client sent its datagrams; ``address`` None is a node port, on any address."""

    family: Family
    address: str | None
    port: int


#: With which endpoints clients of each original destination may stay; the others are sent anew.
Keeps = Mapping[OriginalDestination, tuple[Destination, ...]]


def of_udp(changes: Iterable[ServiceChange]) -> tuple[ServiceChange, ...]:
    """The changes that can concern UDP connections."""
    return tuple(c for c in changes if any(row and row.protocol == _UDP for row in c))


def keeps_after(changes: Iterable[ServiceChange], groups: Iterable[PortGroup]) -> Keeps:
    """What a node keeps when the changes are made: only what they concern, empty if nothing.

    ``groups`` hold all Service ports that the node is to have.

    Raises ValueError for rows that ``policy.table`` never wrote.
    """
    changed = {place for change in changes for row in change for place in _places(row)}
    if not changed:
        return {}
    now: dict[OriginalDestination, tuple[Destination, ...]] = {}
    for group in groups:
        now |= _serving(group)
    keeps = {place: now.get(place, ()) for place in changed}
    # A node port counts on any address: those of other Services have to be told from it.
    ports = {(place.family, place.port) for place in changed if place.address is None}
    if ports:
        others = {p: kept for p, kept in now.items() if (p.family, p.port) in ports}
        keeps = others | keeps
    return _in_order(keeps)


def keeps_before(changes: Collection[ServiceChange]) -> Keeps:
    """The same for the way back: what the node kept before, as far as its table tells.

    Raises ValueError for rows that ``policy.table`` never wrote.
    """
    keeps: dict[OriginalDestination, tuple[Destination, ...]] = {}
    for change in changes:
        keeps |= dict.fromkeys(_places(change.after), ())
    for change in changes:
        keeps |= dict.fromkeys(_places(change.before), _endpoints(change.before))
    return _in_order(keeps)


def keeps_nothing(rows: Iterable[ServiceRow]) -> Keeps:
    """No client of these rows stays where conntrack takes it.

    Raises ValueError for rows that ``policy.table`` never wrote.
    """
    return _in_order(dict.fromkeys((place for row in rows for place in _places(row)), ()))


def _in_order(keeps: Keeps) -> Keeps:
    order = sorted(keeps, key=lambda place: (place.family.value, place.address or "", place.port))
    return {place: keeps[place] for place in order}


@lru_cache(maxsize=64)
def _serving(group: PortGroup) -> dict[OriginalDestination, tuple[Destination, ...]]:
    return {
        OriginalDestination(port.family, frontend.address, frontend.port): port.serving
        for port in group.ports
        if port.protocol is Protocol.UDP
        for frontend in port.frontends
    }


def _places(row: ServiceRow | None) -> Iterator[OriginalDestination]:
    if row is None or row.protocol != _UDP:
        return
    for text in row.frontends:
        address, port = _parsed(text)
        yield OriginalDestination(Family(row.family), address or None, port)


def _endpoints(row: ServiceRow | None) -> tuple[Destination, ...]:
    if row is None:
        return ()
    return tuple(Destination(*_parsed(text)) for text in _endpoint_texts(row))


def _endpoint_texts(row: ServiceRow) -> Iterable[str]:
    yield from (f"endpoint {text}" for text in row.endpoints)
    yield from (note for note in row.notes if note.startswith(f"{DRAINING} "))


@lru_cache(maxsize=262144)
def _parsed(text: str) -> tuple[str, int]:
    """Address (or nothing) and port of ``ClusterIP 10.96.0.10:53`` or ``NodePort :30053``."""
    found = _PLACE.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} has no address and port")
    return found[1], int(found[2])
