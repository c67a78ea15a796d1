"""The table of Services of one node, and how two tables differ."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from svcform.model.net import endpoint_text
from svcform.model.service import TrafficPolicy
from svcform.plan.services import ServiceChange, ServiceRow
from svcform.policy.intent import (
    Frontend,
    FrontendKind,
    Intent,
    Masquerade,
    Pool,
    PortGroup,
    PortIntent,
    Source,
)

#: The note on an endpoint that new UDP clients don't reach and old ones may stay with.
DRAINING = "draining"

_MASQUERADE_NOTES = {
    Masquerade.ALWAYS: "masqueraded",
    Masquerade.UNLESS_LOCAL_POD: "masqueraded unless from a local pod",
}


def rows(intent: Intent) -> tuple[ServiceRow, ...]:
    """The rows of a node, sorted by key; nodes with the same groups get the same tuple."""
    return _merged(intent.common, intent.own)


def compare(
    before_rows: Iterable[ServiceRow], after_rows: Iterable[ServiceRow]
) -> tuple[ServiceChange, ...]:
    """What becomes of each row, sorted by key; rows that stay the same are left out."""
    if before_rows is after_rows:
        return ()
    before = {row.key: row for row in before_rows}
    after = {row.key: row for row in after_rows}
    return tuple(
        ServiceChange(before.get(key), after.get(key))
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    )


# Nodes of a class share groups, and groups share ports; all of them are known by identity, because
# to hash 100,000 endpoints for every node would cost more than to make the rows again.
_KNOWN_ROWS = 200_000
_known_rows: dict[int, tuple[PortIntent, ServiceRow]] = {}


@lru_cache(maxsize=64)
def _merged(common: PortGroup, own: PortGroup) -> tuple[ServiceRow, ...]:
    if not own.ports:
        return _group_rows(common)
    merged = [*_group_rows(common), *map(_row, own.ports)]
    merged.sort(key=lambda row: row.key)
    return tuple(merged)


@lru_cache(maxsize=64)
def _group_rows(group: PortGroup) -> tuple[ServiceRow, ...]:
    return tuple(sorted(map(_row, group.ports), key=lambda row: row.key))


def _row(port: PortIntent) -> ServiceRow:
    known = _known_rows.get(id(port))
    if known is None or known[0] is not port:
        if len(_known_rows) > _KNOWN_ROWS:
            _known_rows.clear()
        known = _known_rows[id(port)] = (port, _make_row(port))
    return known[1]


def _make_row(port: PortIntent) -> ServiceRow:
    return ServiceRow(
        name=port.name,
        protocol=port.protocol.value,
        family=port.family.value,
        frontends=tuple(sorted(map(_frontend_text, port.frontends))),
        endpoints=tuple([endpoint_text(*destination) for destination in port.endpoints]),
        notes=tuple(sorted(_notes(port))),
    )


def _frontend_text(frontend: Frontend) -> str:
    if frontend.address is None:
        return f"{frontend.kind.value} :{frontend.port}"
    return f"{frontend.kind.value} {endpoint_text(frontend.address, frontend.port)}"


def _notes(port: PortIntent) -> set[str]:
    notes = {f"{DRAINING} {endpoint_text(*destination)}" for destination in port.draining}
    for frontend in port.frontends:
        notes.update(_frontend_notes(frontend))
        internal = frontend.kind is FrontendKind.CLUSTER_IP
        policy = port.internal_policy if internal else port.external_policy
        if policy is TrafficPolicy.LOCAL:
            word = "internalTrafficPolicy" if internal else "externalTrafficPolicy"
            notes.add(f"{word} Local{_here(frontend)}")
    return notes


def _frontend_notes(frontend: Frontend) -> set[str]:
    notes: set[str] = set()
    for route in frontend.routes:
        if isinstance(route.to, Pool) and route.to.affinity_seconds is not None:
            notes.add(f"affinity {route.to.affinity_seconds}s")
        if frontend.kind is FrontendKind.CLUSTER_IP and route.masquerade in _MASQUERADE_NOTES:
            notes.add(_MASQUERADE_NOTES[route.masquerade])
    if frontend.allowed_sources:
        notes.update(f"from {cidr}" for cidr in frontend.allowed_sources)
    return notes


def _here(frontend: Frontend) -> str:
    """Which endpoints policy Local leaves: an endpoint that moves to another node shows here."""
    route = next(route for route in frontend.routes if route.source is Source.ANY)
    if not isinstance(route.to, Pool):
        return ", none here"
    return ", here " + " ".join(endpoint_text(*d) for d in route.to.destinations)
