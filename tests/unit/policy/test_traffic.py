"""kube-proxy's traffic semantics, row by row: destination and source against result."""

from __future__ import annotations

import pytest

from svcform.model.service import Ingress, ServiceType
from svcform.policy.intent import FrontendKind, Masquerade, Source, Verdict
from tests.unit.policy.builders import (
    CLUSTER_IP,
    EXTERNAL,
    HERE,
    LOAD_BALANCER,
    LOCAL,
    PODS,
    THERE,
    endpoint,
    frontends,
    outcome,
    service,
    terminating,
)

NEAR, FAR = "10.244.1.5", "10.244.2.7"
BOTH = [endpoint(NEAR, HERE), endpoint(FAR, THERE)]
REMOTE = [endpoint(FAR, THERE)]


@pytest.mark.parametrize("source", Source)
@pytest.mark.parametrize(
    ("settings", "masquerade"),
    [
        ({}, Masquerade.NEVER),
        ({"pod_cidrs": PODS}, Masquerade.UNLESS_LOCAL_POD),
        ({"pod_cidrs": PODS[1:]}, Masquerade.NEVER),
        ({"masquerade_all": True}, Masquerade.ALWAYS),
        ({"masquerade_all": True, "pod_cidrs": PODS}, Masquerade.ALWAYS),
    ],
)
def test_a_cluster_ip_uses_the_cluster_and_masquerades_who_is_no_local_pod(
    source, settings, masquerade
):
    found = frontends(service(**CLUSTER_IP), BOTH, **settings)[FrontendKind.CLUSTER_IP]
    assert outcome(found, source) == ({NEAR, FAR}, masquerade)


@pytest.mark.parametrize("source", Source)
def test_internal_policy_local_uses_local_endpoints(source):
    found = frontends(service(**CLUSTER_IP, internal_traffic_policy=LOCAL), BOTH, pod_cidrs=PODS)
    assert outcome(found[FrontendKind.CLUSTER_IP], source) == (
        {NEAR},
        Masquerade.UNLESS_LOCAL_POD,
    )


@pytest.mark.parametrize("source", Source)
def test_internal_policy_local_without_a_local_endpoint_drops(source):
    found = frontends(service(**CLUSTER_IP, internal_traffic_policy=LOCAL), REMOTE)
    assert outcome(found[FrontendKind.CLUSTER_IP], source)[0] is Verdict.DROP


@pytest.mark.parametrize("kind", EXTERNAL)
def test_internal_policy_says_nothing_about_external_frontends(kind):
    found = frontends(service(**LOAD_BALANCER, internal_traffic_policy=LOCAL), BOTH)
    assert outcome(found[kind], Source.ANY) == ({NEAR, FAR}, Masquerade.ALWAYS)


def test_external_policy_says_nothing_about_the_cluster_ip():
    found = frontends(service(**LOAD_BALANCER, external_traffic_policy=LOCAL), BOTH)
    assert outcome(found[FrontendKind.CLUSTER_IP], Source.ANY)[0] == {NEAR, FAR}


@pytest.mark.parametrize("source", Source)
@pytest.mark.parametrize("kind", EXTERNAL)
def test_external_frontends_use_the_cluster_and_always_masquerade(kind, source):
    found = frontends(service(**LOAD_BALANCER), BOTH, pod_cidrs=PODS)[kind]
    assert outcome(found, source) == ({NEAR, FAR}, Masquerade.ALWAYS)


@pytest.mark.parametrize("kind", EXTERNAL)
@pytest.mark.parametrize(
    ("endpoints", "source", "expected"),
    [
        (BOTH, Source.LOCAL_POD, ({NEAR, FAR}, Masquerade.NEVER)),
        (BOTH, Source.NODE, ({NEAR, FAR}, Masquerade.ALWAYS)),
        (BOTH, Source.ANY, ({NEAR}, Masquerade.NEVER)),
        (REMOTE, Source.LOCAL_POD, ({FAR}, Masquerade.NEVER)),
        (REMOTE, Source.NODE, ({FAR}, Masquerade.ALWAYS)),
        (REMOTE, Source.ANY, (Verdict.DROP, Masquerade.NEVER)),
    ],
)
def test_external_policy_local_takes_the_inside_as_if_it_came_back(
    kind, endpoints, source, expected
):
    subject = service(**LOAD_BALANCER, external_traffic_policy=LOCAL)
    assert outcome(frontends(subject, endpoints, pod_cidrs=PODS)[kind], source) == expected


@pytest.mark.parametrize("kind", EXTERNAL)
def test_external_policy_local_knows_no_local_pods_without_pod_cidrs(kind):
    found = frontends(service(**LOAD_BALANCER, external_traffic_policy=LOCAL), BOTH)[kind]
    assert outcome(found, Source.LOCAL_POD) == ({NEAR}, Masquerade.NEVER)
    assert outcome(found, Source.NODE) == ({NEAR, FAR}, Masquerade.ALWAYS)


@pytest.mark.parametrize("source", Source)
@pytest.mark.parametrize("kind", FrontendKind)
@pytest.mark.parametrize("policies", [{}, {"external_traffic_policy": LOCAL}])
@pytest.mark.parametrize("endpoints", [[], [endpoint(NEAR, HERE, ready=False, serving=True)]])
def test_every_frontend_rejects_without_any_usable_endpoint(kind, source, policies, endpoints):
    found = frontends(service(**LOAD_BALANCER, **policies), endpoints, pod_cidrs=PODS)[kind]
    assert outcome(found, source) == (Verdict.REJECT, Masquerade.NEVER)


def test_internal_policy_local_rejects_without_any_endpoint():
    found = frontends(service(**CLUSTER_IP, internal_traffic_policy=LOCAL), [])
    assert outcome(found[FrontendKind.CLUSTER_IP], Source.ANY)[0] is Verdict.REJECT


def test_terminating_endpoints_serve_where_nothing_is_ready():
    found = frontends(service(**CLUSTER_IP), [terminating(NEAR, HERE), terminating(FAR, THERE)])
    assert outcome(found[FrontendKind.CLUSTER_IP], Source.ANY)[0] == {NEAR, FAR}


def test_the_fallback_to_local_terminating_endpoints_is_independent_of_the_cluster():
    subject = service(**LOAD_BALANCER, external_traffic_policy=LOCAL)
    found = frontends(subject, [terminating(NEAR, HERE), endpoint(FAR, THERE)])
    assert outcome(found[FrontendKind.NODE_PORT], Source.ANY)[0] == {NEAR}
    assert outcome(found[FrontendKind.NODE_PORT], Source.NODE)[0] == {FAR}


@pytest.mark.parametrize("endpoints", [BOTH, []])
def test_source_ranges_guard_the_load_balancer_address_even_without_endpoints(endpoints):
    subject = service(**LOAD_BALANCER, source_ranges=("192.0.2.0/24", "2001:db8::/32"))
    found = frontends(subject, endpoints)
    assert found[FrontendKind.LOAD_BALANCER].allowed_sources == ("192.0.2.0/24",)
    assert found[FrontendKind.LOAD_BALANCER].own_addresses == ("203.0.113.9",)


def test_source_ranges_guard_nothing_but_the_load_balancer_address():
    found = frontends(service(**LOAD_BALANCER, source_ranges=("192.0.2.0/24",)), BOTH)
    others = set(FrontendKind) - {FrontendKind.LOAD_BALANCER}
    assert [found[kind].allowed_sources for kind in others] == [None, None, None]


@pytest.mark.parametrize("ranges", [("0.0.0.0/0", "192.0.2.0/24"), ("2001:db8::/32",), ()])
def test_no_range_of_the_family_or_one_of_everything_lets_everybody_in(ranges):
    found = frontends(service(**LOAD_BALANCER, source_ranges=ranges), BOTH)
    assert found[FrontendKind.LOAD_BALANCER].allowed_sources is None


def test_a_proxying_load_balancers_address_is_not_captured():
    fields = {**LOAD_BALANCER, "ingress": (Ingress(address="203.0.113.9", vip=False),)}
    assert FrontendKind.LOAD_BALANCER not in frontends(service(**fields), BOTH)


def test_external_policy_does_not_count_for_a_cluster_ip_with_a_node_port():
    fields = {**LOAD_BALANCER, "type": ServiceType.CLUSTER_IP, "external_ips": ()}
    found = frontends(service(**fields, external_traffic_policy=LOCAL), BOTH)
    assert outcome(found[FrontendKind.NODE_PORT], Source.ANY)[0] == {NEAR, FAR}


def test_external_policy_counts_for_a_cluster_ip_with_external_addresses():
    fields = {**CLUSTER_IP, "external_ips": ("198.51.100.7",)}
    found = frontends(service(**fields, external_traffic_policy=LOCAL), BOTH)
    assert outcome(found[FrontendKind.EXTERNAL_IP], Source.ANY)[0] == {NEAR}


def test_affinity_is_part_of_every_pool():
    found = frontends(service(**LOAD_BALANCER, affinity_seconds=600), BOTH)
    assert {r.to.affinity_seconds for f in found.values() for r in f.routes} == {600}


def test_a_node_port_has_no_address_of_its_own():
    found = frontends(service(**LOAD_BALANCER), BOTH)[FrontendKind.NODE_PORT]
    assert (found.address, found.port) == (None, 30080)


def test_an_address_that_is_external_and_a_load_balancers_is_one_frontend():
    fields = {**LOAD_BALANCER, "external_ips": ("203.0.113.9",)}
    assert FrontendKind.EXTERNAL_IP not in frontends(service(**fields), BOTH)
