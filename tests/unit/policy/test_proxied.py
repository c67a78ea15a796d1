"""Userspace mode: which sockets stand behind Service ports, and what the rules make of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcform.model.net import Family, Protocol
from svcform.model.service import Service, ServicePort
from svcform.model.settings import ProxyMode
from svcform.policy import proxied
from svcform.policy.decide import decide
from svcform.policy.intent import Destination, Intent, Masquerade, Pool, Verdict
from svcform.policy.proxied import PROXY_ADDRESSES, PROXY_PORTS, Socket
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
    ports,
    service,
    workspace,
)

BOTH = [endpoint("10.244.1.5", HERE), endpoint("10.244.2.7", THERE)]
DUAL = ("10.96.0.10", "fd00:96::a")
USERSPACE = {"proxy_mode": ProxyMode.USERSPACE, "pod_cidrs": PODS}


def userspace(subject: Service, endpoints: Sequence = BOTH, **settings: object) -> Intent:
    return intent(subject, endpoints, **USERSPACE, **settings)


def sockets(decided: Intent) -> list[Socket]:
    return list(chain.from_iterable(group.sockets for group in proxied.sockets(decided)))


def named(*names: str) -> Intent:
    """A node with a Service of each name, all on an address of their own."""
    found = {
        service(
            name, cluster_ips=(f"10.96.{n // 250}.{n % 250 + 1}",), ports=CLUSTER_IP["ports"]
        ): BOTH
        for n, name in enumerate(names)
    }
    return decide(workspace(found, node(**USERSPACE)))[HERE]


def numbers(decided: Intent) -> dict[str, int]:
    return {socket.port.name: socket.place.port for socket in sockets(decided)}


def test_rules_lead_to_one_socket_which_has_all_endpoints():
    decided = userspace(service(**CLUSTER_IP))

    (socket,) = sockets(decided)
    (port,) = ports(proxied.redirected(decided))

    assert socket.place.address == PROXY_ADDRESSES[Family.IPV4]
    assert socket.place.port in PROXY_PORTS
    assert [d.address for d in socket.pool.destinations] == ["10.244.1.5", "10.244.2.7"]
    assert port.endpoints == (socket.place,)
    assert {r.to for f in port.frontends for r in f.routes} == {Pool((socket.place,))}


def test_clients_of_udp_stay_with_the_socket_and_with_endpoints_of_the_mode_before():
    dns = service(cluster_ips=("10.96.0.10",), ports=(ServicePort(protocol=Protocol.UDP, port=53),))
    decided = userspace(dns)

    (socket,) = sockets(decided)
    (port,) = ports(proxied.redirected(decided))

    assert set(port.serving) == {socket.place, *socket.pool.destinations}


def test_affinity_is_the_sockets_and_none_of_the_rules():
    """All clients of a Service port reach the same socket: only the proxy can tell them apart."""
    decided = userspace(service(**CLUSTER_IP, affinity_seconds=60))

    (socket,) = sockets(decided)
    (port,) = ports(proxied.redirected(decided))

    assert socket.pool.affinity_seconds == 60
    assert {r.to for f in port.frontends for r in f.routes} == {Pool((socket.place,), None)}


def test_traffic_policies_with_different_endpoints_have_a_socket_each():
    decided = userspace(service(**LOAD_BALANCER, external_traffic_policy=LOCAL))

    found = {tuple(d.address for d in s.pool.destinations): s.number for s in sockets(decided)}

    assert found.keys() == {("10.244.1.5",), ("10.244.1.5", "10.244.2.7")}
    assert sorted(found.values()) == [1, 2]


def test_verdicts_and_source_ranges_stay_and_nothing_is_masqueraded():
    ranges = ("192.0.2.0/24",)
    subject = service(**LOAD_BALANCER, external_traffic_policy=LOCAL, source_ranges=ranges)
    decided = userspace(subject, [endpoint("10.244.2.7", THERE)], masquerade_all=True)

    before = [f for p in ports(decided) for f in p.frontends]
    after = [f for p in ports(proxied.redirected(decided)) for f in p.frontends]

    assert [f.allowed_sources for f in after] == [f.allowed_sources for f in before]
    assert ranges in {f.allowed_sources for f in after}
    verdicts = [[r.to if isinstance(r.to, Verdict) else None for r in f.routes] for f in before]
    assert [[r.to if isinstance(r.to, Verdict) else None for r in f.routes] for f in after] == (
        verdicts
    )
    assert Verdict.DROP in {to for found in verdicts for to in found}
    assert {r.masquerade for f in after for r in f.routes} == {Masquerade.NEVER}


def test_what_a_proxy_cannot_carry_is_rejected():
    sctp = (ServicePort(name="http", port=80, protocol=Protocol.SCTP),)
    decided = userspace(service(cluster_ips=("10.96.0.10",), ports=sctp))

    (port,) = ports(proxied.redirected(decided))

    assert sockets(decided) == []
    assert {r.to for f in port.frontends for r in f.routes} == {Verdict.REJECT}


def test_a_service_port_has_one_number_in_both_families_and_on_every_node():
    subject = service(cluster_ips=DUAL, ports=CLUSTER_IP["ports"], internal_traffic_policy=LOCAL)
    endpoints = [*BOTH, endpoint("fd00:244:1::5", HERE), endpoint("fd00:244:2::5", THERE)]
    decided = decide(
        workspace({subject: endpoints}, *(node(name, **USERSPACE) for name in (HERE, THERE)))
    )

    places = [s.place for name in (HERE, THERE) for s in sockets(decided[name])]

    assert {p.address for p in places} == set(PROXY_ADDRESSES.values())
    assert len({p.port for p in places}) == 1
    assert len(places) == 4


@given(st.sets(st.from_regex(r"[a-z]{1,8}", fullmatch=True), min_size=2, max_size=40))
def test_no_two_service_ports_share_a_number_whatever_comes_first(names: set[str]):
    some = sorted(names)

    found = numbers(named(*some))

    assert len(set(found.values())) == len(some)
    assert found == numbers(named(*reversed(some)))


def test_who_comes_moves_next_to_nobody():
    some = [f"s{n}" for n in range(300)]
    before, after = numbers(named(*some)), numbers(named(*some, *(f"t{n}" for n in range(10))))

    assert sum(after[name] != number for name, number in before.items()) <= 3


def test_where_two_names_meet_both_have_a_number_and_where_there_is_none_left_one_has_none(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(proxied, "PROXY_PORTS", range(10240, 10243))
    three, four = named("a", "b", "c"), named("a", "b", "c", "d")

    assert sorted(numbers(three).values()) == [10240, 10241, 10242]
    assert proxied.has_room(three)
    assert not proxied.has_room(four)


def test_what_goes_to_a_proxy_directly_is_dropped():
    """As an address of service_cidrs that no Service has is."""
    decided = userspace(
        service(cluster_ips=DUAL, ports=CLUSTER_IP["ports"]),
        [*BOTH, endpoint("fd00:244:1::5")],
        service_cidrs=("10.96.0.0/16",),
    )

    assert proxied.redirected(decided).settings.service_cidrs == (
        "10.96.0.0/16",
        "169.254.20.11/32",
        "fd73:7663:666f:726d::11/128",
    )


@pytest.mark.parametrize(
    ("mode", "cluster_ips", "found"),
    [
        (ProxyMode.USERSPACE, DUAL[:1], [Family.IPV4]),
        (ProxyMode.USERSPACE, DUAL[1:], [Family.IPV6]),
        (ProxyMode.USERSPACE, DUAL, [Family.IPV4, Family.IPV6]),
        (ProxyMode.NFTABLES, DUAL, []),
    ],
)
def test_a_node_has_the_proxys_address_of_each_family_that_it_carries(
    mode: ProxyMode, cluster_ips: tuple[str, ...], found: list[Family]
):
    decided = intent(
        service(cluster_ips=cluster_ips, ports=CLUSTER_IP["ports"]), BOTH, proxy_mode=mode
    )

    assert proxied.proxy_addresses(decided) == tuple(PROXY_ADDRESSES[f] for f in found)


def test_a_packet_that_was_led_to_the_proxy_is_no_hairpin():
    decided = userspace(service(**CLUSTER_IP), [endpoint("10.244.1.5", HERE)])

    assert decided.hairpin
    assert proxied.redirected(decided).hairpin == ()


def test_a_socket_is_a_destination():
    (socket,) = sockets(userspace(service(**CLUSTER_IP)))

    assert isinstance(socket.place, Destination)
