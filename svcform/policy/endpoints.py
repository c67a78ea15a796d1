"""Which endpoints a node uses for a Service port (kube-proxy v1.36 ``CategorizeEndpoints``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from svcform.model.endpoint import Endpoint
from svcform.policy.intent import Destination


class Uses(NamedTuple):
    """Which of the two lists a Service port needs.

    ``cluster`` is for traffic policy Cluster, ``local`` for Local.
    """

    cluster: bool
    local: bool


class Viewpoint(NamedTuple):
    """From where endpoints are chosen: the node's name in Kubernetes and its zone.

    An empty text matches nothing, as a node without a zone label does.
    """

    node: str
    zone: str


class Selection(NamedTuple):
    """The endpoints of one Service port as one node sees them.

    ``cluster`` and ``local`` serve the two traffic policies; an unused one is empty.
    ``reachable`` is their union, in the endpoints' order.  Without ``has_any`` the port has no
    usable endpoint anywhere and every frontend rejects; with it, an empty list drops.
    """

    cluster: tuple[Destination, ...]
    local: tuple[Destination, ...]
    reachable: tuple[Destination, ...]
    has_any: bool


def select(endpoints: Sequence[Endpoint], uses: Uses, viewpoint: Viewpoint) -> Selection:
    """Choose the endpoints that ``viewpoint`` uses, in the order in which they are given."""
    ready = [endpoint for endpoint in endpoints if endpoint.ready]
    cluster = _cluster(endpoints, ready, viewpoint) if uses.cluster else []
    if not uses.local:
        chosen = _destinations(cluster)
        return Selection(chosen, (), chosen, bool(chosen))
    local = _local(endpoints, ready, viewpoint.node)
    union = {*cluster, *local}
    return Selection(
        _destinations(cluster),
        _destinations(local),
        _destinations([endpoint for endpoint in endpoints if endpoint in union]),
        has_any=bool(ready) or any(map(_is_fallback, endpoints)),
    )


class Kept(NamedTuple):
    """With which endpoints connections may stay, as one node sees them.

    ``serving`` are all that serve; readiness, termination and traffic policy don't count
    (kube-proxy v1.36 ``conntrack/cleanup.go``).  ``draining`` are those that the node would use if
    they were ready, and does not.
    """

    serving: tuple[Destination, ...]
    draining: tuple[Destination, ...]


def keep(
    endpoints: Sequence[Endpoint], uses: Uses, viewpoint: Viewpoint, selection: Selection
) -> Kept:
    """What becomes of connections that are there, next to a selection for new ones."""
    serving = _destinations([endpoint for endpoint in endpoints if endpoint.serving])
    if serving == selection.reachable:
        return Kept(selection.reachable, ())  # one tuple for both: there are 100,000 endpoints
    leaving = {Destination(e.address, e.port) for e in endpoints if e.serving and not e.ready}
    leaving.difference_update(selection.reachable)
    if not leaving:
        return Kept(serving, ())
    used = select(_stayed(endpoints), uses, viewpoint).reachable
    return Kept(serving, tuple([destination for destination in used if destination in leaving]))


def is_steered(endpoints: Sequence[Endpoint]) -> bool:
    """Whether topology hints can make two nodes choose differently for new connections."""
    ready = [endpoint for endpoint in endpoints if endpoint.ready]
    if not ready:
        return False
    return all(e.node_hints for e in ready) or all(e.zone_hints for e in ready)


def keeps_steered(endpoints: Sequence[Endpoint]) -> bool:
    """Whether topology hints can make what drains (see ``keep``) differ between two nodes."""
    return any(e.serving and not e.ready for e in endpoints) and is_steered(_stayed(endpoints))


def usable(endpoints: Sequence[Endpoint]) -> list[Endpoint]:
    """The endpoints that some node may use for traffic policy Cluster, whatever the topology."""
    ready = [endpoint for endpoint in endpoints if endpoint.ready]
    return ready or [endpoint for endpoint in endpoints if _is_fallback(endpoint)]


def _cluster(
    endpoints: Sequence[Endpoint], ready: list[Endpoint], viewpoint: Viewpoint
) -> list[Endpoint]:
    if not ready:
        return [endpoint for endpoint in endpoints if _is_fallback(endpoint)]
    if viewpoint.node and all(e.node_hints for e in ready):
        near = [e for e in ready if viewpoint.node in e.node_hints]
        if near:
            return near
    if viewpoint.zone and all(e.zone_hints for e in ready):
        near = [e for e in ready if viewpoint.zone in e.zone_hints]
        if near:
            return near
    return ready


def _stayed(endpoints: Sequence[Endpoint]) -> list[Endpoint]:
    return [endpoint._replace(ready=endpoint.serving) for endpoint in endpoints]


def _local(endpoints: Sequence[Endpoint], ready: list[Endpoint], node: str) -> list[Endpoint]:
    if not node:
        return []
    here = [endpoint for endpoint in ready if endpoint.node == node]
    return here or [e for e in endpoints if e.node == node and _is_fallback(e)]


def _is_fallback(endpoint: Endpoint) -> bool:
    return endpoint.serving and endpoint.terminating


def _destinations(endpoints: Sequence[Endpoint]) -> tuple[Destination, ...]:
    return tuple([Destination(endpoint.address, endpoint.port) for endpoint in endpoints])
