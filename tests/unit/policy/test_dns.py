"""Zones that policy decides, beyond what the conformance cases ask."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcform.model.endpoint import Endpoint, PortKey
from svcform.model.net import Family, Protocol
from svcform.model.node import Connection, Node
from svcform.model.service import NamespacedName, Service, ServicePort, ServiceType
from svcform.model.settings import Settings
from svcform.model.workspace import PodAddress, Workspace
from svcform.policy.decide import decide
from svcform.policy.dns import decide_zones
from svcform.policy.dns_answer import answer
from svcform.policy.dns_lints import lint
from svcform.policy.dns_names import reverse_name, reverse_zones


def node(name, host="192.0.2.1", **settings):
    settings = Settings(dns=True, service_cidrs=("10.96.0.0/16",), **settings)
    return Node(name=name, connection=Connection(host=host), settings=settings, plays=(0,))


def workspace(*services, nodes=(), endpoints=None, pods=()):
    found = {service.key: service for service in services}
    nodes = tuple(nodes) or (node("n1"),)
    return Workspace(
        project_id="",
        root="",
        nodes=nodes,
        play_nodes=nodes,
        services=found,
        endpoints={key: (endpoints or {}).get(key.name, {}) for key in found},
        play_services=(tuple(found),),
        pods=tuple(pods),
    )


def alias(name, target, namespace="default"):
    key = NamespacedName(namespace, name)
    return Service(key=key, type=ServiceType.EXTERNAL_NAME, external_name=target)


def cluster_ip(name, address="10.96.0.17", **more):
    key = NamespacedName("default", name)
    return Service(key=key, cluster_ips=(address,), ports=(ServicePort(port=80),), **more)


def ask(world, name, kind="A"):
    found = answer(decide_zones(world)["n1"], f"{name}.default.svc.cluster.local.", kind)
    return found.rcode, tuple(rdata for entry in found.answer for rdata in entry.rdatas)


CIDRS = st.lists(
    st.builds(
        lambda a, p: str(ipaddress.ip_network((a, p), strict=False)),
        st.ip_addresses(v=4).map(str),
        st.integers(9, 28),
    ),
    min_size=1,
    max_size=4,
)


@given(CIDRS)
def test_reverse_zones_hold_all_addresses_of_the_cidrs_and_no_other(cidrs):
    zones = reverse_zones(cidrs)
    claimed = sum(256 ** (4 - (zone.count(".") - 2)) for zone in zones)
    networks = ipaddress.collapse_addresses(map(ipaddress.ip_network, cidrs))

    assert claimed == sum(network.num_addresses for network in networks)
    for cidr in cidrs:
        network = ipaddress.ip_network(cidr)
        for address in (network[0], network[-1]):
            name = reverse_name(str(address))
            assert sum(name == zone or name.endswith(f".{zone}") for zone in zones) == 1


def test_neighbouring_cidrs_are_one_zone():
    assert reverse_zones([f"10.244.{i}.0/24" for i in range(256)]) == ("244.10.in-addr.arpa.",)
    assert len(reverse_zones(["10.96.0.0/12"])) == 16


def test_nodes_share_one_object_and_limited_runs_have_the_same_zones():
    nodes = (node("n1", "192.0.2.1"), node("n2", "192.0.2.2"))
    whole = workspace(cluster_ip("web"), nodes=nodes)
    zones = decide_zones(whole)

    assert zones["n1"] is zones["n2"]
    limited = Workspace(
        project_id="",
        root="",
        nodes=nodes[:1],
        play_nodes=nodes,
        services=whole.services,
        endpoints=whole.endpoints,
        play_services=whole.play_services,
    )
    assert decide_zones(limited)["n1"].zones[0].records == zones["n1"].zones[0].records


def test_the_lints_and_the_plan_of_a_run_share_one_decision():
    whole = workspace(cluster_ip("web"))
    zones = decide_zones(whole)
    assert lint(whole) == ()
    assert decide(whole)["n1"].zones is zones["n1"]
    assert decide_zones(whole) is zones


@pytest.mark.parametrize(
    ("services", "codes"),
    [
        ([alias("a", "192.0.2.7")], ["SVC251"]),
        ([alias("a", "a.default.svc.cluster.local")], ["SVC252"]),
        ([alias(n, f"{m}.default.svc.cluster.local") for n, m in ("ab", "ba")], ["SVC252"] * 2),
        ([alias("a", "gone.default.svc.cluster.local")], ["SVC253"]),
        ([alias("a", "web.default.svc.cluster.local"), cluster_ip("web")], []),
        ([alias("a", "www.example.com")], []),
    ],
)
def test_aliases_that_lead_nowhere_are_told(services, codes):
    assert [found.code for found in lint(workspace(*services))] == codes


def test_an_alias_may_lead_into_an_external_zone_below_the_cluster_domain():
    world = workspace(
        alias("shop", "web.default.lb.cluster.local"),
        cluster_ip("web", external_ips=("203.0.113.7",)),
        nodes=[node("n1", dns_external_zone="lb.cluster.local")],
    )

    assert ask(world, "shop") == ("NOERROR", ("web.default.lb.cluster.local.", "203.0.113.7"))
    assert lint(world) == ()


def test_a_service_with_the_name_of_an_external_zones_server_does_not_take_its_place():
    key = NamespacedName("dns", "ns1")
    service = Service(key=key, ingress_names=("lb.example.com",), ports=(ServicePort(port=80),))
    world = workspace(service, nodes=[node("n1", dns_external_zone="example.org")])

    (found,) = answer(decide_zones(world)["n1"], "ns1.dns.example.org.", "A").answer

    assert (found.type, found.rdatas) == ("A", ("192.0.2.1",))


def test_an_alias_may_lead_to_a_pod():
    target = "10-244-1-5.default.pod.cluster.local"
    world = workspace(
        alias("a", target),
        nodes=[node("n1", dns_pods="verified")],
        pods=[PodAddress("default", "10.244.1.5")],
    )

    assert ask(world, "a") == ("NOERROR", (f"{target}.", "10.244.1.5"))
    assert lint(world) == ()


def test_aliases_of_namespaces_without_names_lead_nowhere_and_are_not_told():
    world = workspace(
        alias("a", "b.hidden.svc.cluster.local"),
        alias("b", "www.example.com", namespace="hidden"),
        alias("c", "gone.default.svc.cluster.local", namespace="hidden"),
        nodes=[node("n1", dns_namespaces=("default",))],
    )

    assert ask(world, "a") == ("NOERROR", ())
    assert [(found.code, found.detail.split()[0]) for found in lint(world)] == [
        ("SVC253", "default/a")
    ]


def test_an_external_name_that_a_service_no_longer_uses_is_none_of_dnss_business():
    world = workspace(cluster_ip("web", external_name="gone.default.svc.cluster.local"))

    assert lint(world) == ()


def test_no_more_aliases_are_chained_than_coredns_follows():
    names = [f"a{number}" for number in range(11)]
    following = [f"{name}.default.svc.cluster.local" for name in (*names[1:], "web")]
    world = workspace(*map(alias, names, following), cluster_ip("web"))

    assert ask(world, "a2")[1][-1] == "10.96.0.17", "nine of them, and the address"
    assert [ask(world, name) for name in ("a0", "a1")] == [("NOERROR", ())] * 2
    told = [found.detail for found in lint(world)]
    assert [text.split()[0] for text in told] == ["default/a0", "default/a1"]
    assert all("over more than 9 names" in text for text in told)


def test_an_alias_in_a_ring_exists_and_has_no_data():
    world = workspace(alias("a", "a.default.svc.cluster.local"), alias("b", "192.0.2.7"))

    assert ask(world, "a") == ("NOERROR", ())
    assert ask(world, "b") == ("NXDOMAIN", ())


def test_a_headless_service_without_a_ready_endpoint_does_not_exist():
    key = PortKey("http", Protocol.TCP, Family.IPV4)
    headless = Service(key=NamespacedName("default", "db"), headless=True)

    def world(*, ready):
        endpoints = {key: (Endpoint("10.244.1.5", 80, ready=ready),)}
        return workspace(headless, endpoints={"db": endpoints})

    assert ask(world(ready=False), "db") == ("NXDOMAIN", ())
    assert ask(world(ready=True), "db") == ("NOERROR", ("10.244.1.5",))


def test_an_answer_that_does_not_fit_is_told():
    key = PortKey("http", Protocol.TCP, Family.IPV4)
    headless = Service(key=NamespacedName("default", "db"), headless=True)
    many = {key: tuple(Endpoint(f"10.244.1.{i}", 80) for i in range(100))}

    codes = {found.code for found in lint(workspace(headless, endpoints={"db": many}))}

    assert codes == {"SVC256"}


@pytest.mark.parametrize(("count", "told"), [(13, []), (16, ["SVC256"])])
def test_the_addresses_beside_srv_records_have_to_fit_as_well(count, told):
    key = PortKey("http", Protocol.TCP, Family.IPV4)
    headless = Service(key=NamespacedName("default", "db"), headless=True)
    some = {key: tuple(Endpoint(f"10.244.1.{100 + i}", 80) for i in range(count))}

    assert [found.code for found in lint(workspace(headless, endpoints={"db": some}))] == told
