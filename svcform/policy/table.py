"""The table of Services of one node, and how two tables differ.

A row is for people, and it is complete: :mod:`svcform.policy.recorded` makes the Service port of it
again.  What most ports have in common is not said, so that 10,000 plain ones stay small.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from svcform.model.net import endpoint_text
from svcform.model.service import TrafficPolicy
from svcform.plan.services import ServiceChange, ServiceRow
from svcform.policy.intent import (
    Destination,
    Frontend,
    FrontendKind,
    Intent,
    Masquerade,
    Pool,
    PortGroup,
    PortIntent,
    Source,
    Verdict,
)

#: The note on an endpoint that new UDP clients don't reach and old ones may stay with.
DRAINING = "draining"
#: What traffic policy Cluster reaches where that is not all endpoints: topology hints.
CLUSTER = "policy Cluster reaches"
#: With ``pod_cidrs``: what the node's own pods reach under ``externalTrafficPolicy: Local``.
PODS_REACH_ALL = "local pods reach what policy Cluster does"
#: The port is of those that differ between nodes, and no policy says so.
DIFFERS = "differs between nodes"
HEALTH_CHECK = "health checks on"
SCHEDULER = "scheduler"
AFFINITY = "affinity"
FROM = "from"
INTERNAL_LOCAL = "internalTrafficPolicy Local"
EXTERNAL_LOCAL = "externalTrafficPolicy Local"
#: After those two: the endpoints on this node, that there are none, or that there are none at all.
HERE, NONE_HERE, NONE_ANYWHERE = ", here ", ", none here", ", none anywhere"

MASQUERADE_NOTES = {
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
    merged = [*_group_rows(common), *(_row(port, is_own=True) for port in own.ports)]
    merged.sort(key=lambda row: row.key)
    return tuple(merged)


@lru_cache(maxsize=64)
def _group_rows(group: PortGroup) -> tuple[ServiceRow, ...]:
    return tuple(sorted(map(_row, group.ports), key=lambda row: row.key))


def _row(port: PortIntent, *, is_own: bool = False) -> ServiceRow:
    known = _known_rows.get(id(port))
    if known is None or known[0] is not port:
        if len(_known_rows) > _KNOWN_ROWS:
            _known_rows.clear()
        known = _known_rows[id(port)] = (port, _make_row(port, is_own=is_own))
    return known[1]


def _make_row(port: PortIntent, *, is_own: bool) -> ServiceRow:
    return ServiceRow(
        name=port.name,
        protocol=port.protocol.value,
        family=port.family.value,
        frontends=tuple(sorted(map(_frontend_text, port.frontends))),
        endpoints=tuple([endpoint_text(*destination) for destination in port.endpoints]),
        notes=tuple(sorted(_notes(port, is_own=is_own))),
    )


def _frontend_text(frontend: Frontend) -> str:
    if frontend.address is None:
        return f"{frontend.kind.value} :{frontend.port}"
    return f"{frontend.kind.value} {endpoint_text(frontend.address, frontend.port)}"


def _notes(port: PortIntent, *, is_own: bool) -> set[str]:
    notes = {f"{DRAINING} {endpoint_text(*destination)}" for destination in port.draining}
    for frontend in port.frontends:
        notes.update(_frontend_notes(port, frontend))
    if port.health_check_node_port:
        notes.add(f"{HEALTH_CHECK} :{port.health_check_node_port}")
    if port.scheduler:
        notes.add(f"{SCHEDULER} {port.scheduler}")
    if is_own and TrafficPolicy.LOCAL not in (port.internal_policy, port.external_policy):
        notes.add(DIFFERS)
    return notes


def _frontend_notes(port: PortIntent, frontend: Frontend) -> set[str]:
    notes: set[str] = set()
    is_local = _policy(port, frontend) is TrafficPolicy.LOCAL
    is_internal = frontend.kind is FrontendKind.CLUSTER_IP
    if is_local:
        notes.add((INTERNAL_LOCAL if is_internal else EXTERNAL_LOCAL) + _here(frontend))
    for route in frontend.routes:
        if isinstance(route.to, Pool):
            if route.to.affinity_seconds is not None:
                notes.add(f"{AFFINITY} {route.to.affinity_seconds}s")
            is_cluster = not is_local or route.source is not Source.ANY
            if is_cluster and route.to.destinations != port.endpoints:
                notes.add(f"{CLUSTER} {_texts(route.to.destinations)}")
        if route.source is Source.LOCAL_POD:
            notes.add(PODS_REACH_ALL)
        if is_internal and route.masquerade in MASQUERADE_NOTES:
            notes.add(MASQUERADE_NOTES[route.masquerade])
    if frontend.allowed_sources:
        notes.update(f"{FROM} {cidr}" for cidr in frontend.allowed_sources)
    return notes


def _policy(port: PortIntent, frontend: Frontend) -> TrafficPolicy:
    is_internal = frontend.kind is FrontendKind.CLUSTER_IP
    return port.internal_policy if is_internal else port.external_policy


def _here(frontend: Frontend) -> str:
    """Which endpoints policy Local leaves: an endpoint that moves to another node shows here."""
    route = next(route for route in frontend.routes if route.source is Source.ANY)
    if isinstance(route.to, Pool):
        return HERE + _texts(route.to.destinations)
    return NONE_ANYWHERE if route.to is Verdict.REJECT else NONE_HERE


def _texts(destinations: Iterable[Destination]) -> str:
    return " ".join([endpoint_text(*destination) for destination in destinations])
