"""Laws of decisions, over random Services, endpoints and nodes."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from svcform.model.endpoint import Endpoint
from svcform.model.net import Family, Protocol
from svcform.model.service import (
    Ingress,
    NamespacedName,
    Service,
    ServicePort,
    ServiceType,
    TrafficPolicy,
)
from svcform.policy.decide import decide
from svcform.policy.endpoints import Viewpoint
from svcform.policy.frontends import family_ports, port_intent, sort_key
from svcform.policy.intent import Pool, Source
from svcform.policy.routes import Traits
from svcform.policy.services import SCHEDULER_ANNOTATION
from tests.unit.policy.builders import PODS, endpoint, node, service, workspace

NODES = ("n-1", "n-2", "n-3", "n-4")
ZONES = ("", "a", "b", "c")

names = st.lists(st.sampled_from(NODES[:3]), unique=True, max_size=2).map(tuple)
zones = st.lists(st.sampled_from(ZONES[1:3]), unique=True, max_size=2).map(tuple)
addresses = st.integers(1, 9).map(lambda n: f"10.244.1.{n}") | st.integers(1, 9).map(
    lambda n: f"fd00:244:1::{n}"
)
endpoints = st.builds(
    Endpoint,
    addresses,
    st.just(8080),
    st.sampled_from((None, *NODES[:3])),
    ready=st.booleans(),
    serving=st.booleans(),
    terminating=st.booleans(),
    zone_hints=zones,
    node_hints=names,
)
policies = st.sampled_from(TrafficPolicy)


@st.composite
def services(draw, name):
    n = ord(name) - ord("a")  # no two Services have an address or a node port in common
    cluster_ips = draw(st.sampled_from([(f"10.96.0.{n}",), (f"10.96.0.{n}", f"fd00:96::{n}")]))
    external = draw(
        st.sampled_from([(), (f"203.0.113.{n}",), (f"203.0.113.2{n}", f"2001:db8::{n}")])
    )
    ingress = draw(st.sampled_from([(), (f"203.0.113.2{n}", f"203.0.113.1{n}")]))
    return Service(
        key=NamespacedName("default", name),
        type=draw(st.sampled_from(list(ServiceType)[:3])),
        cluster_ips=cluster_ips,
        ports=(
            ServicePort(
                name=draw(st.sampled_from(["", "http"])),
                protocol=draw(st.sampled_from(Protocol)),
                port=80,
                node_port=draw(st.sampled_from([0, 30080 + n])),
            ),
        ),
        external_ips=external,
        ingress=tuple(Ingress(address=address) for address in ingress),
        source_ranges=draw(st.sampled_from([(), ("9.0.0.0/8", "10.0.0.0/8")])),
        health_check_node_port=draw(st.sampled_from([0, 32000 + n])),
        internal_traffic_policy=draw(policies),
        external_traffic_policy=draw(policies),
        affinity_seconds=draw(st.sampled_from([None, 600])),
        annotations=draw(st.sampled_from([(), ((SCHEDULER_ANNOTATION, "sh"),)])),
    )


@st.composite
def spaces(draw):
    content = {
        draw(services(name)): draw(
            st.lists(endpoints, max_size=6, unique_by=lambda endpoint: endpoint.address)
        )
        for name in "abc"
    }
    nodes = [
        node(
            name,
            zone=draw(st.sampled_from(ZONES)),
            pod_cidrs=draw(st.sampled_from([(), PODS[:1], PODS])),
        )
        for name in NODES
    ]
    return workspace(content, *nodes)


#: Nobody is ready, so hints steer no new connection, but what drains is each node's own.
STEERED_DRAINING = workspace(
    {
        service(cluster_ips=("10.96.0.2",), ports=(ServicePort(protocol=Protocol.UDP, port=53),)): [
            endpoint("10.244.1.1", ready=False, node_hints=("n-1",)),
            endpoint("10.244.1.2", ready=False, node_hints=("n-2",)),
        ]
    },
    *map(node, NODES[:2]),
)


@settings(max_examples=100)
@example(STEERED_DRAINING)
@given(spaces())
def test_what_is_shared_and_what_is_own_is_together_what_the_node_would_decide_alone(space):
    for subject in space.nodes:
        families = frozenset(
            family
            for family, cidr in zip(Family, PODS, strict=True)
            if cidr in subject.settings.pod_cidrs
        )
        alone = [
            port_intent(
                port,
                Viewpoint(subject.name, subject.settings.zone),
                Traits(pod_families=families, masquerade_all=False),
            )
            for service in space.services.values()
            for port in family_ports(service, space.endpoints[service.key])
        ]
        decided = decide(space)[subject.name]
        together = sorted((*decided.common.ports, *decided.own.ports), key=sort_key)
        assert together == sorted(alone, key=sort_key)


@settings(max_examples=100)
@given(spaces())
def test_every_route_is_well_formed(space):
    for decided in decide(space).values():
        for port in (*decided.common.ports, *decided.own.ports):
            reached = set()
            for frontend in port.frontends:
                sources = [route.source for route in frontend.routes]
                assert sources[-1] is Source.ANY
                assert len(set(sources)) == len(sources)
                assert frontend.allowed_sources != ()
                for route in frontend.routes:
                    if isinstance(route.to, Pool):
                        assert route.to.destinations
                        reached.update(route.to.destinations)
            assert reached <= set(port.endpoints)
            assert len(set(port.endpoints)) == len(port.endpoints)


@settings(max_examples=100)
@given(spaces())
def test_what_comes_back_is_reachable_and_all_that_is_local_comes_back(space):
    for name, decided in decide(space).items():
        reachable = {
            (port.service, destination.address)
            for port in (*decided.common.ports, *decided.own.ports)
            for destination in port.endpoints
        }
        local = {
            endpoint.address
            for key, ports in space.endpoints.items()
            for found in ports.values()
            for endpoint in found
            if endpoint.node == name and (key, endpoint.address) in reachable
        }
        assert local <= set(decided.hairpin)
        assert list(decided.hairpin) == sorted(set(decided.hairpin))
        placed = {e.address for p in space.endpoints.values() for f in p.values() for e in f}
        assert set(decided.hairpin) <= placed
