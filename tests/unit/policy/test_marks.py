"""Marks tell Service ports, families and lists from each other, and ours from others'."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcform.model.net import Family, Protocol
from svcform.model.service import NamespacedName, TrafficPolicy
from svcform.policy import marks
from svcform.policy.intent import (
    Destination,
    Frontend,
    FrontendKind,
    Masquerade,
    Pool,
    PortGroup,
    PortIntent,
    Route,
    Source,
    Verdict,
)

CLUSTER, LOCAL = Pool((Destination("10.0.0.1", 80),)), Pool((Destination("10.0.0.2", 80),))


def port(name, *frontends, family=Family.IPV4, internal=TrafficPolicy.CLUSTER):
    return PortIntent(
        service=NamespacedName("default", name),
        port_name="",
        protocol=Protocol.TCP,
        family=family,
        frontends=frontends,
        endpoints=(),
        internal_policy=internal,
    )


def frontend(*routes, kind=FrontendKind.CLUSTER_IP, allowed=None):
    return Frontend(kind, "10.96.0.1", 80, Protocol.TCP, routes, allowed)


def outside(made):
    return marks.outside_mark(0x40000020, made, made.frontends[0])


@given(st.sets(st.text(min_size=1), min_size=1, max_size=50))
def test_ports_have_marks_of_their_own_in_each_family(names):
    ports = [port(name, family=family) for name in names for family in Family]
    known = marks.marks_of(PortGroup(tuple(ports)), PortGroup(()))

    found = [known.of(each) for each in ports]

    assert len(set(found)) == len(ports)
    assert all(marks.is_ours(mark) and mark & 0xF == 0 for mark in found)
    assert all(mark & marks.PORT != marks.FIRST for mark in found)


def test_another_port_leaves_the_marks_of_those_that_are_there():
    web, mail = port("web"), port("mail")
    alone = marks.marks_of(PortGroup((web,)), PortGroup(()))
    both = marks.marks_of(PortGroup((mail, web)), PortGroup(()))

    assert alone.of(web) == both.of(web)


@pytest.mark.parametrize(
    ("route", "wanted"),
    [
        (Route(Source.ANY, CLUSTER), 0x40000020),
        (Route(Source.ANY, CLUSTER, Masquerade.UNLESS_LOCAL_POD), 0x40000022),
        (Route(Source.ANY, CLUSTER, Masquerade.ALWAYS), 0x40000024),
        (Route(Source.ANY, Verdict.REJECT), 0x40000026),
        (Route(Source.ANY, Verdict.DROP), 0x40000027),
        (Route(Source.ANY, replace(CLUSTER, affinity_seconds=9), Masquerade.ALWAYS), 0x40000004),
    ],
)
def test_the_lowest_bits_say_what_becomes_of_a_packet(route, wanted):
    assert outside(port("web", frontend(route))) == wanted
    assert outside(port("web", frontend(route, allowed=("10.0.0.0/8",)))) == wanted | marks.LIMITED


def test_the_node_and_its_pods_have_marks_of_their_own_under_policy_local():
    routes = (
        Route(Source.LOCAL_POD, CLUSTER),
        Route(Source.NODE, CLUSTER, Masquerade.ALWAYS),
        Route(Source.ANY, LOCAL),
    )
    made = port("web", frontend(*routes, kind=FrontendKind.NODE_PORT))

    assert outside(made) == 0x40000021
    assert marks.inside_mark(0x40000020, made, made.frontends[0]) == 0x40000022
    assert marks.pools(0x40000020, made) == {0x40000020: CLUSTER, 0x40000021: LOCAL}


def test_an_internal_policy_local_has_the_second_list():
    made = port("web", frontend(Route(Source.ANY, LOCAL)), internal=TrafficPolicy.LOCAL)

    assert outside(made) == 0x40000021
    assert marks.pools(0x40000020, made) == {0x40000021: LOCAL}


def test_clients_that_stay_are_found_by_address_except_the_node_and_its_pods():
    staying = replace(CLUSTER, affinity_seconds=60)
    routes = (Route(Source.NODE, staying, Masquerade.ALWAYS), Route(Source.ANY, Verdict.DROP))
    made = port("web", frontend(*routes, kind=FrontendKind.NODE_PORT))

    assert marks.pools(0x40000020, made) == {0x40000020: staying}
    assert marks.pools(0x40000020, port("web", frontend(Route(Source.ANY, staying)))) == {}
