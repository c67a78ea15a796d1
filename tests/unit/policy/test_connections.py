"""With which endpoints UDP clients may stay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from svcform.model.endpoint import Endpoint
from svcform.model.net import Family, Protocol
from svcform.model.service import Service, ServicePort
from svcform.plan.services import ServiceChange, ServiceRow
from svcform.policy import connections, table
from svcform.policy.connections import Keeps, OriginalDestination, keeps_before
from svcform.policy.intent import Destination, Intent
from tests.unit.policy.builders import (
    HERE,
    LOAD_BALANCER,
    LOCAL,
    THERE,
    endpoint,
    intent,
    service,
    terminating,
)

UDP = ServicePort(name="dns", port=53, protocol=Protocol.UDP, node_port=30053)
FIELDS = {**LOAD_BALANCER, "ports": (UDP, ServicePort(name="web", port=80, node_port=30080))}
DNS = service("dns", **FIELDS)
V4 = Family.IPV4
#: All that DNS's UDP port is on.
PLACES = [
    OriginalDestination(V4, None, 30053),
    OriginalDestination(V4, "10.96.0.10", 53),
    OriginalDestination(V4, "198.51.100.7", 53),
    OriginalDestination(V4, "203.0.113.9", 53),
]


def rows(subject: Service, *endpoints: Endpoint) -> tuple[ServiceRow, ...]:
    return table.rows(intent(subject, endpoints))


def changes(
    before: Sequence[ServiceRow], subject: Service, *endpoints: Endpoint
) -> tuple[ServiceChange, ...]:
    return table.compare(before, rows(subject, *endpoints))


def keeps_after(made: Sequence[ServiceChange], decided: Intent) -> Keeps:
    """What is kept of all that the node is to have."""
    return connections.keeps_after(made, (decided.common, decided.own))


def at(*addresses: str) -> tuple[Destination, ...]:
    return tuple(Destination(address, 8080) for address in addresses)


def test_every_frontend_of_a_udp_port_keeps_what_serves():
    made = [endpoint("10.0.0.1"), endpoint("10.0.0.2")]
    found = keeps_after(changes((), DNS, *made), intent(DNS, made))
    assert found == dict.fromkeys(PLACES, at("10.0.0.1", "10.0.0.2"))
    assert list(found) == PLACES


def test_what_serves_is_kept_wherever_it_is_and_however_unready():
    local = replace(DNS, internal_traffic_policy=LOCAL, external_traffic_policy=LOCAL)
    made = [endpoint("10.0.0.1", HERE), endpoint("10.0.0.2", THERE), terminating("10.0.0.3", THERE)]
    made.append(endpoint("10.0.0.4", HERE, ready=False, serving=False))
    found = keeps_after(changes((), local, *made), intent(local, made))
    assert set(found.values()) == {at("10.0.0.1", "10.0.0.2", "10.0.0.3")}


def test_nothing_is_kept_of_a_service_without_endpoints():
    before = rows(DNS, endpoint("10.0.0.1"))
    assert keeps_after(changes(before, DNS), intent(DNS, [])) == dict.fromkeys(PLACES, ())


def test_a_frontend_that_nobody_has_any_more_keeps_nothing():
    before = rows(DNS, endpoint("10.0.0.1"))
    moved = replace(DNS, external_ips=())
    found = keeps_after(
        changes(before, moved, endpoint("10.0.0.1")), intent(moved, [endpoint("10.0.0.1")])
    )
    assert found == dict.fromkeys(PLACES, at("10.0.0.1")) | {PLACES[2]: ()}


def test_an_emptied_node_keeps_nothing():
    before = rows(DNS, endpoint("10.0.0.1"))
    made = table.compare(before, ())
    assert connections.keeps_after(made, ()) == dict.fromkeys(PLACES, ())


def test_services_that_stay_and_other_protocols_are_not_concerned():
    tcp = service("web", **{**LOAD_BALANCER, "cluster_ips": ("10.96.0.11",)})
    before = (*rows(DNS, endpoint("10.0.0.1")), *rows(tcp, endpoint("10.0.0.2")))
    after = (*rows(DNS, endpoint("10.0.0.1")), *rows(tcp, endpoint("10.0.0.3")))
    made = table.compare(before, after)
    assert len(made) == 1
    assert keeps_after(made, intent(tcp, [endpoint("10.0.0.3")])) == {}
    assert keeps_before(made) == {}


def test_an_endpoint_that_ends_after_it_drained_is_a_change():
    serving, leaving = endpoint("10.0.0.1"), terminating("10.0.0.2")
    draining = rows(DNS, serving, leaving)
    assert [row.notes for row in draining] == [("draining 10.0.0.2:8080",), ()]
    made = changes(draining, DNS, serving)
    assert set(keeps_after(made, intent(DNS, [serving])).values()) == {at("10.0.0.1")}
    assert set(keeps_before(made).values()) == {at("10.0.0.1", "10.0.0.2")}


def test_what_drains_elsewhere_says_nothing_about_a_node_that_never_used_it():
    local = replace(DNS, internal_traffic_policy=LOCAL, external_traffic_policy=LOCAL)
    only_inside = replace(
        local, external_ips=(), ingress=(), ports=(replace(UDP, node_port=0),), type=service().type
    )
    here, there = endpoint("10.0.0.1", HERE), terminating("10.0.0.2", THERE)
    (row,) = rows(only_inside, here, there)
    assert row.notes == ("internalTrafficPolicy Local, here 10.0.0.1:8080",)


def test_the_way_back_keeps_what_was_there_before():
    before = rows(DNS, endpoint("10.0.0.1"))
    made = changes(before, replace(DNS, external_ips=("198.51.100.8",)), endpoint("10.0.0.2"))
    new = OriginalDestination(V4, "198.51.100.8", 53)
    assert keeps_before(made) == dict.fromkeys(PLACES, at("10.0.0.1")) | {new: ()}


def test_other_services_on_the_number_of_a_node_port_are_told_from_it():
    other = service(
        "other",
        cluster_ips=("10.96.0.77",),
        ports=(ServicePort(port=30053, protocol=Protocol.UDP),),
    )
    both = intent(other, [endpoint("10.0.0.9")])
    found = keeps_after(changes((), DNS, endpoint("10.0.0.1")), both)
    assert found[OriginalDestination(V4, "10.96.0.77", 30053)] == at("10.0.0.9")


def test_a_row_that_makes_no_sense_is_an_error():
    row = ServiceRow("default/dns", "UDP", "IPv4", ("ClusterIP $(id):53",), ())
    with pytest.raises(ValueError, match="no address"):
        keeps_before([ServiceChange(row, None)])
