"""What kube-proxy's tests say of its IPVS mode, as far as svcform means the same.

Each virtual server of a case is looked for as a packet finds it: the element for its address gives
a mark, and the mark a virtual service.  Of sets, those are compared whose meaning svcform has, too;
chains of iptables are kube-proxy's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import pytest
import yaml

from svcform.backends.proxy.ipvs import IPVS
from svcform.backends.proxy.ipvs.objects import (
    FAMILY_WORDS,
    Elements,
    VirtualService,
    address,
    service_address,
)
from svcform.inputs.cluster import objects_of, resolve_services
from svcform.inputs.endpoints import resolve_endpoints
from svcform.inputs.workloads import Placements
from svcform.lang.ipset.names import HALVES, Set
from svcform.lang.ipset.save import mark_of
from svcform.lang.ipvs.service import AddressService, Caught, MarkedService
from svcform.model.facts import Facts, InterfaceAddress
from svcform.model.net import Family, endpoint_text, family_of
from svcform.model.settings import ProxyMode, Settings
from svcform.plan.snapshot import Snapshot
from svcform.policy import marks
from tests.conformance.packetflow import FOLDER
from tests.flow.model import World
from tests.flow.under_test import intent_of

FILE = FOLDER / "ipvs_state_cases.yaml"
MISSING = f"kube-proxy's cases are not here ({FILE.name} is looked for in {FOLDER})"

_LOOPBACK = "endpoints that this node never sends to can't send through it to themselves"
#: Case -> what differs: a set, or an address and port -> why.
DIFFERENCES: dict[str, dict[str, str]] = {
    "ipvs/TestHealthCheckNodePort": {
        "KUBE-HEALTH-CHECK-NODE-PORT": "as in nftables mode, nobody lets health checks in by rule"
    },
    "ipvs/Test_EndpointSliceReadyAndTerminatingCluster": {"KUBE-LOOP-BACK": _LOOPBACK},
    "ipvs/Test_EndpointSliceReadyAndTerminatingLocal": {"KUBE-LOOP-BACK": _LOOPBACK},
    "ipvs/Test_EndpointSliceOnlyReadyAndTerminatingCluster": {"KUBE-LOOP-BACK": _LOOPBACK},
    "ipvs/Test_EndpointSliceOnlyReadyAndTerminatingLocal": {"KUBE-LOOP-BACK": _LOOPBACK},
    "ipvs/TestLoadBalancer": {
        "1.2.3.4:3001": "nobody looks whether this server is there: there is no such node port"
    },
}
#: Sets that say whom kube-proxy masquerades: marks of svcform's say that.
_OWN = (
    "KUBE-LOAD-BALANCER",
    "KUBE-LOAD-BALANCER-FW",
    "KUBE-LOAD-BALANCER-LOCAL",
    "KUBE-CLUSTER-IP",
    "KUBE-EXTERNAL-IP",
)


@cache
def cases() -> tuple[Mapping[str, Any], ...]:
    """All cases, in the file's order; none where the file is not there."""
    if not FILE.is_file():
        return ()
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return tuple(yaml.load(FILE.read_text(), loader)["cases"])


def parameters() -> list[Any]:
    if not cases():
        return [pytest.param(None, marks=pytest.mark.skip(reason=MISSING))]
    return [pytest.param(case, id=case["name"]) for case in cases()]


def wanted(case: Mapping[str, Any]) -> Snapshot:
    proxy = case["proxy"]
    objects = objects_of([*case["services"], *case["endpointslices"]])
    cluster, _ = resolve_services(objects, lenient=True)
    endpoints, _ = resolve_endpoints(cluster.services, {}, objects, Placements())
    own = tuple(proxy["interfaceIPs"])
    settings = Settings(
        proxy_mode=ProxyMode.IPVS,
        masquerade_all=proxy["masqueradeAll"],
        node_name=proxy["nodeName"],
        node_port_addresses=tuple(proxy["nodePortAddresses"] or ("all",)),
        ipvs_scheduler=proxy["scheduler"],
    )
    addresses = tuple(
        InterfaceAddress(interface="eth0", address=each, prefix_length=64) for each in own
    )
    facts = Facts(
        tools={"ipvsadm": "present", "ipset": "present"},
        modules=frozenset({"ip_vs", "ip_set", "ip_vs_rr"}),
        addresses=addresses,
    )
    world = World(cluster.services, endpoints, settings, own or ("192.0.2.1",))
    expressed = IPVS.express(intent_of(world), facts)
    assert expressed.diagnostics == ()
    return expressed.wanted


def servers(snapshot: Snapshot, at: str, port: int, protocol: str) -> frozenset[str] | str:
    """Where a packet from outside goes, or the verdict."""
    family = family_of(at)
    word, half = FAMILY_WORDS[family], HALVES[family][int(":" not in at and at >= "128")]
    for place, name in ((at, Set.FRONTENDS), (half, Set.NODE_PORTS)):
        key = f"{place},{protocol.lower()}:{port}"
        found = snapshot.get(address(word, name.name_in(family), key))
        if isinstance(found, Elements):
            break
    else:
        return "nothing"
    mark = mark_of(found.elements[0])
    assert mark is not None
    if mark & marks.TREATMENT == marks.TREATMENT:
        return "DROP" if mark & marks.LOCAL_LIST else "REJECT"
    number = mark & ~marks.FLAGS
    caught: Caught = MarkedService(number, family)
    if number == marks.FIRST:
        caught = AddressService(protocol, at, port)
    service = snapshot[service_address(word, caught)]
    assert isinstance(service, VirtualService)
    assert {server.weight for server in service.servers} == {1}
    return frozenset(endpoint_text(server.address, server.port) for server in service.servers)


def expected_servers(case: Mapping[str, Any]) -> Iterator[tuple[str, int, str, object]]:
    """Address, port and protocol, and where it goes; a server without endpoints rejects."""
    expected = case["expected"]
    for each in expected.get("virtualServers", ()):
        real = {endpoint_text(r["address"], r["port"]) for r in each.get("realServers", ())}
        yield each["address"], each["port"], each["protocol"], frozenset(real) or "REJECT"
    one = expected.get("virtualServer")
    if one and endpoint_text(one["ip"], one["port"]) not in DIFFERENCES.get(case["name"], {}):
        real = {endpoint_text(r["ip"], r["port"]) for r in one["rS"]}
        yield one["ip"], one["port"], one["protocol"], frozenset(real)


@pytest.mark.parametrize("case", parameters())
def test_each_virtual_server_leads_to_the_same_servers(case: Mapping[str, Any]):
    snapshot = wanted(case)

    found = [
        (at, port, protocol, servers(snapshot, at, port, protocol))
        for at, port, protocol, _ in expected_servers(case)
    ]

    assert found == list(expected_servers(case))


@pytest.mark.parametrize("case", parameters())
def test_a_virtual_server_that_svcform_does_without_leads_nowhere(case: Mapping[str, Any]):
    one = case["expected"].get("virtualServer")
    if one and endpoint_text(one["ip"], one["port"]) in DIFFERENCES.get(case["name"], {}):
        snapshot, family = wanted(case), family_of(one["ip"])
        key = f"{one['ip']},{one['protocol'].lower()}:{one['port']}"
        assert key not in {e.split()[0] for e in elements(snapshot, Set.FRONTENDS, family)}
        name = Set.NODE_PORT_ADDRESSES.name_in(family)
        node_ports = snapshot.get(address(FAMILY_WORDS[family], "set", name))
        assert node_ports is None or one["ip"] not in " ".join(node_ports.lines())


@pytest.mark.parametrize("case", parameters())
def test_there_are_no_others(case: Mapping[str, Any]):
    expected, snapshot = case["expected"], wanted(case)
    family = Family(case["ipFamily"])
    word = FAMILY_WORDS[family]
    names = {s: s.name_in(family) for s in (Set.FRONTENDS, Set.NODE_PORTS)}
    at_addresses = [a for a in snapshot if a.path[:2] == (word, names[Set.FRONTENDS])]
    ports = {a.path[2].rpartition(",")[2] for a in snapshot if a.path[1] == names[Set.NODE_PORTS]}
    ports &= {a.path[2].rpartition(",")[2] for a in snapshot if a.path[0] == word}
    small = snapshot.get(address(word, "set", Set.NODE_PORT_ADDRESSES.name_in(family)))
    places = max(len(small.lines()) - 1, 0) if small and ports else 0
    count = len(at_addresses) + len(ports) * places
    if "virtualServers" in expected:
        assert count == len(expected["virtualServers"])
    elif "virtualServerCount" in expected:
        assert count == expected["virtualServerCount"]


@pytest.mark.parametrize("case", parameters())
def test_sets_of_the_same_meaning_hold_the_same(case: Mapping[str, Any]):
    snapshot, family = wanted(case), Family(case["ipFamily"])
    differs = DIFFERENCES.get(case["name"], {})
    for name, entries in case["expected"].get("ipsets", {}).items():
        if name == "KUBE-LOOP-BACK":
            keys = {f"{each['ip']},{each['ip2']}" for each in entries}
            found = elements(snapshot, Set.HAIRPIN, family)
            assert (found < keys) if name in differs else (found == keys)
        elif name in differs:
            ports = tuple(f":{each['port']}" for each in entries)
            found = {e.split()[0] for s in Set for e in elements(snapshot, s, family)}
            assert not [e for e in found if e.endswith(ports)]
        elif name.startswith("KUBE-NODE-PORT") or name in _OWN:
            continue
        else:
            assert name == "KUBE-LOAD-BALANCER-SOURCE-CIDR"
            wanted_keys = {
                f"{each['ip']},{each['protocol']}:{each['port']},{each['net']}" for each in entries
            }
            assert elements(snapshot, Set.SOURCES, family) == wanted_keys


def elements(snapshot: Snapshot, name: Set, family: Family) -> set[str]:
    return {
        text
        for found in snapshot.values()
        if isinstance(found, Elements) and found.set_name == name.name_in(family)
        for text in found.elements
    }
