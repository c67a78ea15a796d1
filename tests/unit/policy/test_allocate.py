"""Allocation: stable, without clashes, inside the ranges."""

from __future__ import annotations

import ipaddress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svcform.diagnostics import Location, Origin, Severity
from svcform.model.lock import LockEntry, port_id
from svcform.model.net import Family, Protocol, family_of
from svcform.model.service import (
    Ingress,
    IPFamilyPolicy,
    NamespacedName,
    ServicePort,
    ServiceType,
)
from svcform.policy.allocate import Allocation, Ranges, allocate
from svcform.policy.ranges import port_range, service_range
from svcform.policy.slots import POOL_ANNOTATION
from tests.unit.policy.builders import service

RANGES = Ranges(service_cidrs=("10.96.0.0/16", "fd00:96::/108"))
POOLS = Ranges(
    service_cidrs=("10.96.0.0/16", "fd00:96::/108"),
    load_balancer_pools={
        "blue": ("192.0.2.0/30",),
        "red": ("198.51.100.1-198.51.100.9", "2001:db8::/120"),
    },
)
PORT = ServicePort(name="http", port=80)
WEB = NamespacedName("default", "web")


def web(**fields: object):
    return service("web", ports=(PORT,), **fields)


def one(subject, ranges: Ranges = RANGES, lock: LockEntry | None = None):
    made = allocate([subject], ranges, {subject.key: lock} if lock else {})
    return made, made.services[subject.key], made.lock.get(subject.key)


def codes(made: Allocation) -> list[str]:
    return [finding.code for finding in made.diagnostics]


names = st.sets(st.from_regex(r"[a-z]{1,8}", fullmatch=True), min_size=1, max_size=40)
small = Ranges(service_cidrs=("10.96.0.0/25",), node_port_range=(30000, 30099))


def node_port_services(found: set[str]):
    return [service(name, type=ServiceType.NODE_PORT, ports=(PORT,)) for name in sorted(found)]


@settings(max_examples=60)
@given(names, names)
def test_new_services_never_change_what_others_have(first, second):
    before = allocate(node_port_services(first), small, {})
    after = allocate(node_port_services(first | second), small, before.lock)
    assert {key: after.lock[key] for key in before.lock} == dict(before.lock)


@settings(max_examples=60)
@given(names, st.randoms(use_true_random=False))
def test_the_order_of_files_says_nothing(found, shuffler):
    services = node_port_services(found)
    shuffled = list(services)
    shuffler.shuffle(shuffled)
    assert allocate(services, small, {}) == allocate(shuffled, small, {})


@settings(max_examples=60)
@given(names)
def test_no_two_services_get_the_same(found):
    made = allocate(node_port_services(found), small, {})
    assert made.diagnostics == ()
    addresses = [s.cluster_ips[0] for s in made.services.values()]
    ports = [s.ports[0].node_port for s in made.services.values()]
    assert len(set(addresses)) == len(set(ports)) == len(found)
    assert all(ipaddress.ip_address(a) in ipaddress.ip_network("10.96.0.0/25") for a in addresses)
    assert all(30000 <= port <= 30099 for port in ports)


@settings(max_examples=60)
@given(names)
def test_a_second_run_changes_nothing(found):
    services = node_port_services(found)
    first = allocate(services, small, {})
    second = allocate(services, small, first.lock)
    assert (second.services, second.lock) == (first.services, first.lock)


def test_a_lost_lock_file_mostly_comes_back_the_same():
    services = [service(f"s{n}", ports=(PORT,)) for n in range(500)]
    lock: dict[NamespacedName, LockEntry] = {}
    for count in range(0, 500, 25):  # as Services come over the years
        lock = dict(allocate(services[::-1][: count + 25], RANGES, lock).lock)
    again = allocate(services, RANGES, {}).lock
    assert sum(again[key] == lock[key] for key in lock) > 490


def test_the_low_band_is_for_people():
    made = allocate([service(f"s{n}", ports=(PORT,)) for n in range(500)], RANGES, {})
    lowest = min(ipaddress.ip_address(s.cluster_ips[0]) for s in made.services.values())
    assert lowest > ipaddress.ip_address("10.96.0.0") + 256


@pytest.mark.parametrize(
    ("cidr", "size"), [("10.96.0.0/24", 254), ("10.96.0.0/30", 2), ("fd00::/120", 255)]
)
def test_every_address_is_a_candidate_once_but_the_network_s_own_and_broadcast(cidr, size):
    network = ipaddress.ip_network(cidr)
    found = list(service_range([cidr], family_of(cidr)).candidates("seed"))
    usable = {str(a) for a in network} - {str(network.network_address)}
    if network.version == 4:
        usable -= {str(network.broadcast_address)}
    assert len(found) == size
    assert set(found) == usable


def test_ranges_of_several_cidrs_are_one():
    numbers = service_range(["10.1.0.0/29", "10.0.0.0/29", "10.0.0.0/30"], Family.IPV4)
    assert numbers.size == 12
    assert "10.1.0.6" in numbers
    assert "10.0.0.7" not in numbers
    assert len(set(numbers.candidates("x"))) == 12


def test_the_upper_band_of_ports_goes_first():
    found = [int(port) for port in port_range((30000, 32767)).candidates("x")]
    assert min(found[: 2768 - 173]) == 30173
    assert sorted(found) == list(range(30000, 32768))


def test_dual_stack_as_the_policy_says():
    _, single, _ = one(web())
    assert single.ip_families == (Family.IPV4,)
    _, dual, entry = one(web(ip_family_policy=IPFamilyPolicy.PREFER_DUAL_STACK))
    assert dual.ip_families == (Family.IPV4, Family.IPV6)
    assert entry is not None
    assert entry.cluster_ips == dual.cluster_ips
    _, reverse, _ = one(web(ip_families=(Family.IPV6, Family.IPV4)))
    assert [family_of(a) for a in reverse.cluster_ips] == [Family.IPV6, Family.IPV4]


def test_dual_stack_needs_ranges_only_where_it_is_required():
    only = Ranges(service_cidrs=("10.96.0.0/16",))
    made, preferred, _ = one(web(ip_family_policy=IPFamilyPolicy.PREFER_DUAL_STACK), only)
    assert (codes(made), preferred.ip_families) == ([], (Family.IPV4,))
    made, _, _ = one(web(ip_family_policy=IPFamilyPolicy.REQUIRE_DUAL_STACK), only)
    assert codes(made) == ["SVC301"]


def test_a_given_address_is_completed_with_the_other_family():
    subject = web(cluster_ips=("10.96.0.5",), ip_family_policy=IPFamilyPolicy.REQUIRE_DUAL_STACK)
    _, filled, entry = one(subject)
    assert filled.cluster_ips[0] == "10.96.0.5"
    assert entry is not None
    assert entry.cluster_ips == filled.cluster_ips[1:]


@pytest.mark.parametrize("fields", [{"headless": True}, {"type": ServiceType.EXTERNAL_NAME}])
def test_nothing_is_allocated_where_nothing_is_forwarded(fields):
    made, filled, entry = one(web(**fields))
    assert (filled.cluster_ips, entry, made.diagnostics) == ((), None, ())


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"type": ServiceType.CLUSTER_IP}, False),
        ({"type": ServiceType.NODE_PORT}, True),
        ({"type": ServiceType.NODE_PORT, "allocate_node_ports": False}, True),
        ({"type": ServiceType.LOAD_BALANCER}, True),
        ({"type": ServiceType.LOAD_BALANCER, "allocate_node_ports": False}, False),
    ],
)
def test_which_services_get_node_ports(fields, wanted):
    _, filled, entry = one(web(**fields))
    assert bool(filled.ports[0].node_port) is wanted
    assert entry is not None
    assert bool(entry.node_ports) is wanted


def test_what_the_manifest_gives_is_never_allocated_and_not_in_the_lock_file():
    taken = one(web(type=ServiceType.NODE_PORT))[1]
    greedy = service(
        "other",
        type=ServiceType.NODE_PORT,
        cluster_ips=taken.cluster_ips,
        ports=(ServicePort(port=1, node_port=taken.ports[0].node_port, protocol=Protocol.UDP),),
    )
    made = allocate([web(type=ServiceType.NODE_PORT), greedy], RANGES, {})
    assert codes(made) == []
    assert made.services[WEB].cluster_ips != taken.cluster_ips
    assert made.services[WEB].ports[0].node_port != taken.ports[0].node_port
    assert set(made.lock) == {WEB}


def test_a_manifest_that_gives_another_value_renumbers():
    lock = LockEntry(cluster_ips=("10.96.3.3",))
    made, filled, entry = one(web(cluster_ips=("10.96.0.5",)), lock=lock)
    assert filled.cluster_ips == ("10.96.0.5",)
    assert entry == LockEntry(cluster_ips=("10.96.0.5",))
    assert [(r.before, r.after) for r in made.renumbered] == [("10.96.3.3", "10.96.0.5")]
    assert [(d.code, d.severity) for d in made.diagnostics] == [("SVC305", Severity.WARNING)]


def test_the_same_value_written_into_the_manifest_is_no_change():
    lock = LockEntry(cluster_ips=("10.96.3.3",))
    made, _, entry = one(web(cluster_ips=("10.96.3.3",)), lock=lock)
    assert (made.renumbered, made.diagnostics, entry) == ((), (), lock)


def test_a_clash_in_the_lock_file_names_both_lines():
    a, b = service("a", ports=(PORT,)), service("b", ports=(PORT,))
    lock = {
        a.key: LockEntry(cluster_ips=("10.96.3.3",), where=Location("svcform.lock.yml", 8, 1)),
        b.key: LockEntry(cluster_ips=("10.96.3.3",), where=Location("svcform.lock.yml", 9, 1)),
    }
    first, second = allocate([a, b], RANGES, lock).diagnostics
    assert {str(first.where), str(second.where)} == {
        "svcform.lock.yml:8:1",
        "svcform.lock.yml:9:1",
    }
    assert "svcform.lock.yml:9:1" in second.detail + first.detail


def test_a_clash_of_manifests_names_both_files():
    a = service("a", cluster_ips=("10.96.0.5",), origin=Origin("a.yml"))
    b = service("b", cluster_ips=("10.96.0.5",), origin=Origin("b.yml"))
    found = allocate([a, b], RANGES, {}).diagnostics
    assert [(d.code, d.where.file) for d in found] == [("SVC303", "b.yml"), ("SVC303", "a.yml")]
    assert "a.yml" in found[0].detail
    assert "b.yml" in found[1].detail


def test_two_ports_of_one_service_with_one_node_port_in_the_lock_file():
    ports = (PORT, replace(PORT, name="other", port=81))
    entry = LockEntry(node_ports=dict.fromkeys(map(port_id, ports), 30007))
    subject = service(type=ServiceType.NODE_PORT, cluster_ips=("10.96.0.5",), ports=ports)
    found = allocate([subject], RANGES, {subject.key: entry}).diagnostics
    assert {d.code for d in found} == {"SVC303"}
    assert "of two ports of default/web." in found[0].detail


def test_one_node_port_for_two_protocols_is_no_clash():
    ports = tuple(
        ServicePort(name=p.value.lower(), port=53, protocol=p, node_port=30053)
        for p in (Protocol.TCP, Protocol.UDP)
    )
    made = allocate([service(type=ServiceType.NODE_PORT, ports=ports)], RANGES, {})
    assert codes(made) == []


def test_without_service_cidrs_only_given_addresses_work():
    made, _, _ = one(web(), Ranges())
    assert codes(made) == ["SVC301"]
    made, filled, _ = one(web(cluster_ips=("172.30.0.41",)), Ranges())
    assert (codes(made), filled.cluster_ips) == ([], ("172.30.0.41",))


def test_an_exhausted_range_is_an_error_for_each_service_that_finds_it_full():
    tiny = Ranges(service_cidrs=("10.96.0.0/29",))
    made = allocate([service(f"s{n}", ports=(PORT,)) for n in range(9)], tiny, {})
    assert codes(made) == ["SVC302"] * 3
    assert len({s.cluster_ips for s in made.services.values() if s.cluster_ips}) == 6


def test_values_outside_their_range_are_errors():
    made, _, _ = one(web(cluster_ips=("10.97.0.5",)))
    assert codes(made) == ["SVC304"]
    moved, _, entry = one(web(), lock=LockEntry(cluster_ips=("10.97.0.5",)))
    assert codes(moved) == ["SVC304"]
    assert "lock file" in moved.diagnostics[0].detail
    assert entry == LockEntry(cluster_ips=("10.97.0.5",))
    port = service(type=ServiceType.NODE_PORT, ports=(replace(PORT, node_port=80),))
    assert codes(allocate([port], RANGES, {})) == ["SVC304"]


def test_who_is_gone_loses_its_entry():
    lock = {WEB: LockEntry(cluster_ips=("10.96.3.3",))}
    assert allocate([], RANGES, lock).lock == {}


def test_a_service_that_needs_a_value_no_more_gives_it_back():
    _, _, before = one(web(type=ServiceType.NODE_PORT))
    assert before is not None
    _, _, after = one(web(), lock=before)
    assert after == LockEntry(cluster_ips=before.cluster_ips)


def balancer(**fields: object):
    return web(type=ServiceType.LOAD_BALANCER, **fields)


def test_a_load_balancer_gets_an_address_of_the_first_pool_and_a_warning():
    made, filled, entry = one(balancer(), POOLS)
    assert [i.address in {f"192.0.2.{n}" for n in range(4)} for i in filled.ingress] == [True]
    assert entry is not None
    assert entry.load_balancer_ips == tuple(i.address for i in filled.ingress)
    assert codes(made) == ["SVC306"]


def test_the_annotation_names_the_pool():
    annotations = ((POOL_ANNOTATION, "red"),)
    subject = balancer(annotations=annotations, ip_families=(Family.IPV4, Family.IPV6))
    _, filled, _ = one(subject, POOLS)
    assert [i.address.rsplit(sep, 1)[0] for i, sep in zip(filled.ingress, ".:", strict=True)] == [
        "198.51.100",
        "2001:db8:",
    ]
    made, _, _ = one(balancer(annotations=((POOL_ANNOTATION, "green"),)), POOLS)
    assert codes(made) == ["SVC307"]


def test_a_pool_without_the_service_s_family_is_an_error():
    made, filled, _ = one(balancer(ip_families=(Family.IPV6,)), POOLS)
    assert (codes(made), filled.ingress) == (["SVC301"], ())


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"ingress": (Ingress(address="203.0.113.1"),)}, ["203.0.113.1"]),
        ({"load_balancer_ip": "203.0.113.2"}, ["203.0.113.2"]),
        ({"load_balancer_class": "example.org/lb"}, []),
    ],
)
def test_a_load_balancer_address_of_somebody_else_s_is_kept(fields, expected):
    _, filled, entry = one(balancer(**fields), POOLS)
    assert [i.address for i in filled.ingress] == expected
    assert entry is not None
    assert entry.load_balancer_ips == ()


def test_an_exhausted_pool_is_an_error():
    services = [service(f"s{n}", type=ServiceType.LOAD_BALANCER, ports=(PORT,)) for n in range(5)]
    assert sorted(codes(allocate(services, POOLS, {}))) == ["SVC302", "SVC306"]


def test_without_pools_a_load_balancer_has_its_node_port():
    made, filled, _ = one(balancer())
    assert (filled.ingress, codes(made)) == ((), [])
    assert filled.ports[0].node_port
