"""Which Services count, what nodes share, what is a node's own, and what comes back to itself."""

from __future__ import annotations

import pytest

from svcform.model.endpoint import PortKey
from svcform.model.net import Family, Protocol
from svcform.model.service import ServicePort, ServiceType
from svcform.model.settings import ProxyMode
from svcform.policy.decide import decide
from tests.unit.policy.builders import (
    CLUSTER_IP,
    HERE,
    LOAD_BALANCER,
    LOCAL,
    PODS,
    THERE,
    endpoint,
    endpoints_of,
    intent,
    node,
    ports,
    service,
    workspace,
)

ENDPOINTS = [endpoint("10.244.1.5", HERE), endpoint("10.244.2.7", THERE)]
PROXY_NAME = (("service.kubernetes.io/service-proxy-name", ""),)


@pytest.mark.parametrize(
    "subject",
    [
        service(type=ServiceType.EXTERNAL_NAME, external_name="example.org"),
        service(headless=True, ports=CLUSTER_IP["ports"]),
        service(ports=CLUSTER_IP["ports"]),
        service(**CLUSTER_IP, labels=PROXY_NAME),
    ],
    ids=["ExternalName", "headless", "no clusterIP", "service-proxy-name"],
)
def test_some_services_are_not_forwarded(subject):
    decided = intent(subject, ENDPOINTS)
    assert ports(decided) == []
    assert decided.cluster_ips == ()


def test_a_service_exists_only_in_the_families_of_its_cluster_ips():
    endpoints = [*ENDPOINTS, endpoint("fd00:244:1::5", HERE)]
    assert [p.family for p in ports(intent(service(**CLUSTER_IP), endpoints))] == [Family.IPV4]
    dual = service(ports=CLUSTER_IP["ports"], cluster_ips=("10.96.0.10", "fd00:96::a"))
    found = {p.family: [d.address for d in p.endpoints] for p in ports(intent(dual, endpoints))}
    assert found == {
        Family.IPV4: ["10.244.1.5", "10.244.2.7"],
        Family.IPV6: ["fd00:244:1::5"],
    }


def test_endpoints_belong_to_a_port_by_name_and_protocol():
    both = (
        ServicePort(name="dns", port=53, protocol=Protocol.UDP),
        ServicePort(name="dns", port=53, protocol=Protocol.TCP),
    )
    subject = service(cluster_ips=("10.96.0.10",), ports=both)
    space = workspace({subject: []}, node())
    only_udp = {PortKey("dns", Protocol.UDP, Family.IPV4): (endpoint("10.244.1.5"),)}
    space.endpoints[subject.key] = only_udp
    found = {p.protocol: len(p.endpoints) for p in ports(decide(space)[HERE])}
    assert found == {Protocol.UDP: 1, Protocol.TCP: 0}


def test_the_health_check_port_counts_for_load_balancers_with_policy_local():
    local = {"external_traffic_policy": LOCAL, "health_check_node_port": 32000}
    assert intent(service(**LOAD_BALANCER, **local), []).health_check_node_ports == (32000,)
    cluster = service(**LOAD_BALANCER, health_check_node_port=32000)
    assert intent(cluster, []).health_check_node_ports == ()
    other = service(**{**LOAD_BALANCER, "type": ServiceType.NODE_PORT}, **local)
    assert intent(other, []).health_check_node_ports == ()


def test_nodes_of_a_class_share_everything_that_does_not_depend_on_the_node():
    content = {
        service("a", **CLUSTER_IP): ENDPOINTS,
        service("b", **LOAD_BALANCER, external_traffic_policy=LOCAL): ENDPOINTS,
    }
    decided = decide(workspace(content, node(HERE), node(THERE), node("node-3"), node("node-4")))
    first, *others = decided.values()
    assert all(other.common is first.common for other in others)
    assert all(other.cluster_ips is first.cluster_ips for other in others)
    assert {tuple(p.name for p in i.own.ports) for i in decided.values()} == {("default/b:http",)}
    assert decided["node-3"].own is decided["node-4"].own
    assert decided[HERE].own.ports != decided[THERE].own.ports


def test_nodes_with_other_traits_are_another_class():
    content = {service(**CLUSTER_IP): ENDPOINTS}
    plain, pods, everything = decide(
        workspace(content, node("a"), node("b", pod_cidrs=PODS[:1]), node("c", masquerade_all=True))
    ).values()
    assert len({id(plain.common), id(pods.common), id(everything.common)}) == 3


def test_zone_hints_steer_each_zone_and_leave_the_others_alone():
    hinted = [
        endpoint("10.244.1.5", zone_hints=("a",)),
        endpoint("10.244.2.7", zone_hints=("b",)),
    ]
    nodes = [node("n-a", zone="a"), node("n-b", zone="b"), node("n-c", zone="c"), node("n")]
    decided = decide(workspace({service(**CLUSTER_IP): hinted}, *nodes))
    found = {name: [d.address for d in i.own.ports[0].endpoints] for name, i in decided.items()}
    assert found == {
        "n-a": ["10.244.1.5"],
        "n-b": ["10.244.2.7"],
        "n-c": ["10.244.1.5", "10.244.2.7"],
        "n": ["10.244.1.5", "10.244.2.7"],
    }


def test_nodes_of_a_zone_share_what_zone_hints_steer():
    hinted = [
        endpoint("10.244.1.5", HERE, zone_hints=("a",)),
        endpoint("10.244.2.7", THERE, zone_hints=("b",)),
    ]
    nodes = [node(HERE, zone="a"), node(THERE, zone="a"), node("node-3", zone="a")]
    decided = decide(workspace({service(**CLUSTER_IP): hinted}, *nodes))
    assert len({id(i.own) for i in decided.values()}) == 1


def test_the_name_in_kubernetes_decides_what_is_local():
    subject = service(**CLUSTER_IP, internal_traffic_policy=LOCAL)
    (port,) = ports(intent(subject, ENDPOINTS, node_name=THERE))
    assert [d.address for d in port.endpoints] == ["10.244.2.7"]


def test_a_node_gets_only_the_services_of_its_plays():
    a, b = (
        service("a", **CLUSTER_IP),
        service("b", **{**CLUSTER_IP, "cluster_ips": ("10.96.0.11",)}),
    )
    space = workspace({a: ENDPOINTS, b: ENDPOINTS}, node())
    only_b = type(space)(
        project_id="test",
        root="/",
        plays=space.plays,
        nodes=space.nodes,
        services=space.services,
        endpoints={s.key: endpoints_of(s, ENDPOINTS) for s in (a, b)},
        play_services=((b.key,),),
    )
    decided = decide(only_b)[HERE]
    assert [p.service for p in ports(decided)] == [b.key]
    assert decided.cluster_ips == ("10.96.0.11",)


def test_an_absent_node_wants_nothing():
    decided = decide(workspace({service(**CLUSTER_IP): ENDPOINTS}, node(absent=True)))[HERE]
    assert (decided.wanted, ports(decided)) == (False, [])


def test_a_node_without_a_proxy_has_no_service_ports():
    decided = intent(service(**CLUSTER_IP), ENDPOINTS, proxy_mode=ProxyMode.NONE)
    assert (decided.wanted, ports(decided), decided.cluster_ips) == (True, [], ())


@pytest.mark.parametrize("policy", [{}, {"internal_traffic_policy": LOCAL}])
def test_endpoints_on_the_node_can_come_back_to_themselves(policy):
    assert intent(service(**CLUSTER_IP, **policy), ENDPOINTS).hairpin == ("10.244.1.5",)


def test_an_endpoint_without_a_node_is_here_if_it_is_in_the_pod_cidrs_or_is_the_node():
    unplaced = [endpoint("10.244.1.9"), endpoint("10.244.2.9"), endpoint("192.0.2.11")]
    decided = intent(service(**CLUSTER_IP), unplaced, pod_cidrs=PODS[:1])
    assert decided.hairpin == ("10.244.1.9", "192.0.2.11")


def test_without_pod_cidrs_of_the_family_an_endpoint_without_a_node_may_be_here():
    unplaced = [endpoint("10.244.1.9"), endpoint("10.244.2.9")]
    decided = intent(service(**CLUSTER_IP), unplaced, pod_cidrs=PODS[1:])
    assert decided.hairpin == ("10.244.1.9", "10.244.2.9")


def test_an_endpoint_that_is_not_reachable_does_not_come_back():
    unready = [endpoint("10.244.1.5", HERE, ready=False), endpoint("10.244.2.7", THERE)]
    assert intent(service(**CLUSTER_IP), unready).hairpin == ()
    steered = [
        endpoint("10.244.1.5", HERE, zone_hints=("b",)),
        endpoint("10.244.2.7", THERE, zone_hints=("a",)),
    ]
    assert intent(service(**CLUSTER_IP), steered, zone="a").hairpin == ()
