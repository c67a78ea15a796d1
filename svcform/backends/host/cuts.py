"""Whether the route for service addresses would swallow a connection's answers."""

from __future__ import annotations

import ipaddress

from svcform.backends.contract import Cut
from svcform.backends.host.express import foreign_routes
from svcform.backends.host.objects import Route
from svcform.lang import spans
from svcform.model.facts import Facts
from svcform.model.flow import Flow
from svcform.model.net import family_of
from svcform.plan.snapshot import Snapshot
from svcform.policy.kept_flows import is_from_everybody


def find_cut(wanted: Snapshot, flow: Flow, facts: Facts) -> Cut | None:
    """The route, if all of the flow's sources would be answered into the loopback.

    Of a wider source only those inside a service CIDR are hit: they are Services' addresses, and
    nobody's to come from.
    """
    if is_from_everybody(flow):
        return None
    for found in wanted.values():
        if (
            isinstance(found, Route)
            and found.family is flow.family
            and _swallows(found, flow, facts)
        ):
            return Cut(
                effect="be answered into the node's own loopback",
                rule=f"ip route add {found.lines()[0]}",
            )
    return None


def _swallows(route: Route, flow: Flow, facts: Facts) -> bool:
    """Whether it is the most specific route to all sources; local addresses have one before it."""
    taken = spans.of_cidr(route.cidr)
    length = ipaddress.ip_network(route.cidr).prefixlen
    for target in (*foreign_routes(facts, route.family), *(a.address for a in facts.addresses)):
        if target != "default" and family_of(target) is route.family:
            network = ipaddress.ip_network(target)
            if network.prefixlen >= length:
                taken = spans.without(taken, spans.of_cidr(target))
    return not spans.without(spans.of_cidr(flow.source), taken)
