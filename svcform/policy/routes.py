"""Where packets to a frontend go, and which of them are masqueraded."""

from __future__ import annotations

from typing import NamedTuple

from svcform.model.net import Family
from svcform.model.service import TrafficPolicy
from svcform.policy.endpoints import Selection
from svcform.policy.intent import Destination, Masquerade, Pool, Route, Source, Verdict


class Traits(NamedTuple):
    """All that routes depend on of a node's settings: nodes of a class have equal ones.

    ``pod_families`` are the families in which the node knows its own pods.
    """

    pod_families: frozenset[Family]
    masquerade_all: bool


class Targets(NamedTuple):
    """Where traffic goes under each traffic policy."""

    cluster: Pool | Verdict
    local: Pool | Verdict


REJECTED = (Route(Source.ANY, Verdict.REJECT),)


def targets(selection: Selection, affinity_seconds: int | None) -> Targets | None:
    """The pools of a Service port; None if it has no endpoint at all and rejects."""
    if not selection.has_any:
        return None
    return Targets(
        _pool(selection.cluster, affinity_seconds), _pool(selection.local, affinity_seconds)
    )


def internal_routes(
    found: Targets | None, policy: TrafficPolicy, family: Family, traits: Traits
) -> tuple[Route, ...]:
    """The routes of a clusterIP."""
    if found is None:
        return REJECTED
    to = found.local if policy is TrafficPolicy.LOCAL else found.cluster
    return (_route(Source.ANY, to, internal_masquerade(family, traits)),)


def external_routes(
    found: Targets | None, policy: TrafficPolicy, family: Family, traits: Traits
) -> tuple[Route, ...]:
    """The routes of node ports, load-balancer addresses and external addresses.

    Under policy Local, what comes from the node and its own pods is taken as if it went out and
    came back: it reaches the whole cluster.
    """
    if found is None:
        return REJECTED
    if policy is TrafficPolicy.CLUSTER:
        return (_route(Source.ANY, found.cluster, Masquerade.ALWAYS),)
    inside = (
        _route(Source.NODE, found.cluster, Masquerade.ALWAYS),
        _route(Source.ANY, found.local, Masquerade.NEVER),
    )
    if family in traits.pod_families:
        return (_route(Source.LOCAL_POD, found.cluster, Masquerade.NEVER), *inside)
    return inside


def internal_masquerade(family: Family, traits: Traits) -> Masquerade:
    """What is masqueraded of the traffic to clusterIPs.

    Without a local detector nothing is (kube-proxy v1.36, ``detectLocalMode``).
    """
    if traits.masquerade_all:
        return Masquerade.ALWAYS
    return Masquerade.UNLESS_LOCAL_POD if family in traits.pod_families else Masquerade.NEVER


def _pool(destinations: tuple[Destination, ...], affinity_seconds: int | None) -> Pool | Verdict:
    return Pool(destinations, affinity_seconds) if destinations else Verdict.DROP


def _route(source: Source, to: Pool | Verdict, masquerade: Masquerade) -> Route:
    return Route(source, to, Masquerade.NEVER if isinstance(to, Verdict) else masquerade)
