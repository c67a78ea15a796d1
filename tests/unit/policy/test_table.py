"""The table of Services says what a change means."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings

from svcform.model.net import Protocol, endpoint_text
from svcform.plan.services import ServiceChange, ServiceRow
from svcform.plan.services_tsv import read_rows, write_rows
from svcform.policy.decide import decide
from svcform.policy.frontends import sort_key
from svcform.policy.recorded import is_own, port_intent
from svcform.policy.services import SCHEDULER_ANNOTATION
from svcform.policy.table import compare, rows
from tests.unit.policy.builders import (
    CLUSTER_IP,
    HERE,
    LOAD_BALANCER,
    LOCAL,
    PODS,
    THERE,
    endpoint,
    intent,
    node,
    service,
    workspace,
)
from tests.unit.policy.test_decide_laws import spaces

ENDPOINTS = [endpoint("10.244.1.5", HERE), endpoint("10.244.2.7", THERE)]


def test_a_row_names_frontends_endpoints_and_what_else_matters():
    subject = service(
        **LOAD_BALANCER,
        external_traffic_policy=LOCAL,
        source_ranges=("192.0.2.0/24",),
        affinity_seconds=600,
    )
    assert rows(intent(subject, ENDPOINTS, pod_cidrs=PODS)) == (
        ServiceRow(
            name="default/web:http",
            protocol="TCP",
            family="IPv4",
            frontends=(
                "ClusterIP 10.96.0.10:80",
                "ExternalIP 198.51.100.7:80",
                "LoadBalancer 203.0.113.9:80",
                "NodePort :30080",
            ),
            endpoints=("10.244.1.5:8080", "10.244.2.7:8080"),
            notes=(
                "affinity 600s",
                "externalTrafficPolicy Local, here 10.244.1.5:8080",
                "from 192.0.2.0/24",
                "local pods reach what policy Cluster does",
                "masqueraded unless from a local pod",
            ),
        ),
    )


def test_an_endpoint_that_moves_to_another_node_is_a_change():
    subject = service(**LOAD_BALANCER, external_traffic_policy=LOCAL)
    moved = [endpoint("10.244.1.5", THERE), endpoint("10.244.2.7", THERE)]
    (change,) = compare(rows(intent(subject, ENDPOINTS)), rows(intent(subject, moved)))
    assert change.before is not None
    assert change.after is not None
    assert change.before.endpoints == change.after.endpoints
    assert "externalTrafficPolicy Local, none here" in change.after.notes


def test_another_scheduler_is_a_change():
    subject = service(**CLUSTER_IP)
    hashed = service(**CLUSTER_IP, annotations=((SCHEDULER_ANNOTATION, "sh"),))
    (change,) = compare(rows(intent(subject, ENDPOINTS)), rows(intent(hashed, ENDPOINTS)))
    assert change.after is not None
    assert change.after.notes == ("scheduler sh",)


def test_compare_finds_what_comes_goes_and_changes():
    def table(**content):
        subjects = {
            service(name, **{**CLUSTER_IP, "cluster_ips": (f"10.96.0.{number}",)}): ENDPOINTS
            for number, name in content.values()
        }
        return rows(decide(workspace(subjects, node()))[HERE])

    before = table(a=(1, "a"), b=(2, "b"), c=(3, "c"))
    after = table(a=(1, "a"), c=(4, "c"), d=(5, "d"))
    found = {c.name: c for c in before}, {c.name: c for c in after}
    assert compare(before, after) == (
        ServiceChange(found[0]["default/b:http"], None),
        ServiceChange(found[0]["default/c:http"], found[1]["default/c:http"]),
        ServiceChange(None, found[1]["default/d:http"]),
    )
    assert compare(before, before) == ()
    assert compare(before, list(before)) == ()


def test_rows_of_shared_and_own_ports_are_one_sorted_table():
    content = {
        service("b", **CLUSTER_IP): ENDPOINTS,
        service("a", **CLUSTER_IP, internal_traffic_policy=LOCAL): ENDPOINTS,
        service("c", **CLUSTER_IP, internal_traffic_policy=LOCAL): ENDPOINTS,
    }
    found = rows(decide(workspace(content, node()))[HERE])
    assert [row.name for row in found] == ["default/a:http", "default/b:http", "default/c:http"]


def test_ipv6_addresses_stand_in_brackets():
    subject = service(ports=CLUSTER_IP["ports"], cluster_ips=("fd00:96::a",))
    (row,) = rows(intent(subject, [endpoint("fd00:244:1::5", HERE)]))
    assert (row.frontends, row.endpoints) == (
        ("ClusterIP [fd00:96::a]:80",),
        ("[fd00:244:1::5]:8080",),
    )


@settings(max_examples=200)
@given(spaces())
def test_a_row_is_all_that_there_is_to_know_of_a_port(space):
    for decided in decide(space).values():
        recorded = read_rows(write_rows(rows(decided)))
        for group, own in ((decided.common, False), (decided.own, True)):
            found = [port_intent(row) for row in recorded if is_own(row) is own]
            assert sorted(found, key=sort_key) == [_as_told(port) for port in group.ports]


def _as_told(port):
    """A table doesn't tell which endpoints serve that the node neither uses nor drains."""
    if port.protocol is not Protocol.UDP:
        return port
    told = {*port.endpoints, *port.draining}
    return replace(port, serving=tuple(sorted(told, key=lambda d: endpoint_text(*d))))
