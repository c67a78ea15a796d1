"""Services: what the API server would refuse, fill in, and make canonical."""

import ipaddress

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from svcform.inputs.addresses import canonical_address, parse_cidr, source_ranges
from svcform.inputs.cluster import objects_of, resolve_services
from svcform.inputs.validate import validate
from svcform.model.net import Family, Protocol
from svcform.model.service import ServiceType, TrafficPolicy
from svcform.policy.allocate import Ranges, allocate


def service(spec: str, **top):
    value = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, **top}
    return {**value, "spec": yaml.safe_load(spec)}


def read(spec: str, *, lenient=False, **top):
    objects, problems = validate(objects_of([service(spec, **top)]), "strict")
    assert problems == []
    cluster, found = resolve_services(objects, lenient=lenient)
    (only,) = cluster.services.values()
    return only, [d.detail for d in found]


def test_what_is_left_out_is_filled_in_as_the_api_server_does():
    web, found = read("ports: [{port: 80}]")
    assert found == []
    assert web.type is ServiceType.CLUSTER_IP
    (port,) = web.ports
    assert (port.name, port.protocol, port.target_port, port.node_port) == (
        "",
        Protocol.TCP,
        80,
        0,
    )
    assert web.internal_traffic_policy is web.external_traffic_policy is TrafficPolicy.CLUSTER
    assert web.affinity_seconds is None
    assert web.key == ("default", "web")


def test_affinity_lasts_three_hours_unless_told():
    web, _ = read("{ports: [{port: 80}], sessionAffinity: ClientIP}")
    assert web.affinity_seconds == 10800
    config = "sessionAffinityConfig: {clientIP: {timeoutSeconds: 5}}"
    web, _ = read(f"{{ports: [{{port: 80}}], sessionAffinity: ClientIP, {config}}}")
    assert web.affinity_seconds == 5


def test_null_means_not_there():
    web, found = read(
        "{ports: [{port: 80, name: null}], selector: null, clusterIP: null, type: null}",
        status={"loadBalancer": {}},
    )
    assert found == []
    assert web.cluster_ips == ()


def test_addresses_are_read_leniently_and_made_canonical():
    web, found = read(
        """
        type: LoadBalancer
        clusterIP: 010.096.000.001
        externalIPs: ["203.0.113.07", "2001:DB8::0:1"]
        loadBalancerSourceRanges: [" 10.1.2.3/8 ", 10.9.0.0/16, 192.0.2.0/25, "2001:db8::1/32"]
        ports: [{port: 80}]
        """
    )
    assert found == []
    assert web.cluster_ips == ("10.96.0.1",)
    assert web.external_ips == ("203.0.113.7", "2001:db8::1")
    assert web.source_ranges == ("10.0.0.0/8", "192.0.2.0/25", "2001:db8::/32")


def test_a_range_of_everybody_opens_its_family():
    web, _ = read(
        "{type: LoadBalancer, loadBalancerSourceRanges: [10.0.0.0/8, 0.0.0.0/0, '2001:db8::/32'],"
        " ports: [{port: 80}]}"
    )
    assert web.source_ranges == ("2001:db8::/32",)


def test_ingress_keeps_addresses_and_their_mode():
    status = {
        "loadBalancer": {
            "ingress": [
                {"ip": "198.51.100.1"},
                {"hostname": "lb"},
                {"ip": "::1:0", "ipMode": "Proxy"},
            ]
        }
    }
    web, _ = read("{type: LoadBalancer, ports: [{port: 80}]}", status=status)
    assert [(i.address, i.vip) for i in web.ingress] == [("198.51.100.1", True), ("::1:0", False)]


def test_headless_and_external_names_have_no_addresses():
    headless, found = read("{clusterIP: None, ports: [{port: 80}]}")
    assert (headless.headless, headless.cluster_ips, found) == (True, (), [])
    external, found = read("{type: ExternalName, externalName: example.com.}")
    assert (external.external_name, found) == ("example.com", [])


REFUSED = {
    "no ports": "{}",
    "name": "{ports: [{port: 80}, {port: 81, name: b}]}",
    "no DNS label": "{ports: [{port: 80, name: HTTP}]}",
    "name b is there twice": "{ports: [{port: 80, name: b}, {port: 81, name: b}]}",
    "port 80/TCP is there twice": "{ports: [{port: 80, name: a}, {port: 80, name: b}]}",
    "nodePort 30000/TCP is there twice": "{type: NodePort, ports: [{port: 80, name: a, nodePort: "
    "30000}, {port: 81, name: b, nodePort: 30000}]}",
    "needs type NodePort": "{ports: [{port: 80, nodePort: 30000}]}",
    "no name of a port": "{ports: [{port: 80, targetPort: '8080'}]}",
    "not from 1 to 65535": "{ports: [{port: 80, targetPort: 70000}]}",
    "can't be of type NodePort": "{type: NodePort, clusterIP: None, ports: [{port: 80}]}",
    "has no clusterIP": "{type: ExternalName, externalName: a.b, clusterIP: 10.96.0.1}",
    "needs spec.externalName": "{type: ExternalName}",
    "no DNS name": "{type: ExternalName, externalName: 'a b'}",
    "must be the same": "{clusterIP: 10.96.0.1, clusterIPs: [10.96.0.2], ports: [{port: 80}]}",
    "is no IP address": "{clusterIP: 10.96.0.300, ports: [{port: 80}]}",
    "at most one clusterIP of each": "{clusterIPs: [10.96.0.1, 10.96.0.2], ipFamilyPolicy: "
    "PreferDualStack, ports: [{port: 80}]}",
    "and ipFamilies IPv6": "{clusterIP: 10.96.0.1, ipFamilies: [IPv6], ports: [{port: 80}]}",
    "a family is in ipFamilies twice": "{ipFamilies: [IPv4, IPv4], ipFamilyPolicy: "
    "PreferDualStack, ports: [{port: 80}]}",
    "two families need": "{ipFamilies: [IPv4, IPv6], ports: [{port: 80}]}",
    "in externalIPs is no IP": "{externalIPs: [a], ports: [{port: 80}]}",
    "a loopback address": "{externalIPs: [127.0.0.1], ports: [{port: 80}]}",
    "link-local": "{externalIPs: ['fe80::1'], ports: [{port: 80}]}",
    "reached from outside": "{externalTrafficPolicy: Local, ports: [{port: 80}]}",
    "healthCheckNodePort is only": "{type: LoadBalancer, healthCheckNodePort: 31000, ports: "
    "[{port: 80}]}",
    "needs sessionAffinity": "{sessionAffinityConfig: {clientIP: {timeoutSeconds: 5}}, ports: "
    "[{port: 80}]}",
    "loadBalancerIP is only": "{loadBalancerIP: 198.51.100.1, ports: [{port: 80}]}",
    "is no CIDR": "{type: LoadBalancer, loadBalancerSourceRanges: [10.0.0.0], ports: [{port: 80}]}",
    "no value of a label": "{selector: {app: 'a b'}, ports: [{port: 80}]}",
    "no name of a label": "{selector: {'-a': b}, ports: [{port: 80}]}",
}


@pytest.mark.parametrize("words, spec", REFUSED.items())
def test_what_the_api_server_refuses_is_an_error(words, spec):
    _, found = read(spec)
    assert any(words in detail for detail in found), found


ONE_MISTAKE = {
    "must be the same": "{clusterIP: 10.96.0.5, clusterIPs: [10.96.0.6, 'fd00::5'], "
    "ipFamilyPolicy: RequireDualStack, ports: [{port: 80}]}",
    "at most one clusterIP of each": "{clusterIP: 10.96.0.5, clusterIPs: [10.96.0.5, 10.96.0.6], "
    "ports: [{port: 80}]}",
    "a family is in ipFamilies twice": "{ipFamilies: [IPv4, IPv4], clusterIP: 10.96.0.9, "
    "ports: [{port: 80}]}",
    "nodePort 30000/TCP is there twice": REFUSED["nodePort 30000/TCP is there twice"],
}


@pytest.mark.parametrize("words, spec", ONE_MISTAKE.items())
def test_one_mistake_is_one_finding_and_no_clash_of_a_service_with_itself(words, spec):
    web, found = read(spec)
    ranges = Ranges(service_cidrs=("10.96.0.0/16", "fd00::/112"))
    found += [d.detail for d in allocate([web], ranges, {}).diagnostics]
    assert [words in detail for detail in found] == [True], found


@pytest.mark.parametrize("name", ["Web", "-web", "web-", "a.b", "a" * 64, "a b", "$(reboot)", "é"])
def test_a_hostile_name_is_refused(name):
    assert read("ports: [{port: 80}]", metadata={"name": name})[1]
    metadata = {"name": "a", "namespace": name}
    assert read("ports: [{port: 80}]", metadata=metadata)[1]


def test_the_lenient_reading_refuses_nothing():
    web, found = read("ports: [{port: 80, nodePort: 3001}]", lenient=True)
    assert found == []
    assert web.ports[0].node_port == 3001


def test_a_dual_stack_service_keeps_the_order_of_its_families():
    web, found = read(
        "{ipFamilyPolicy: RequireDualStack, ipFamilies: [IPv6, IPv4], clusterIPs: ['fd00::1'], "
        "ports: [{port: 80}]}"
    )
    assert found == []
    assert web.ip_families == (Family.IPV6, Family.IPV4)
    assert web.cluster_ips == ("fd00::1",)


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 3), min_size=4, max_size=4))
def test_leading_zeros_are_decimal(number, zeros):
    address = ipaddress.IPv4Address(number)
    text = ".".join(
        "0" * n + octet for octet, n in zip(str(address).split("."), zeros, strict=True)
    )
    assert canonical_address(text) == str(address)


@given(st.ip_addresses())
def test_a_canonical_address_is_itself(address):
    mapped = address.ipv4_mapped if address.version == 6 else None
    assert canonical_address(str(address)) == str(mapped or address)


@pytest.mark.parametrize(
    "text", ["", "10.0.0", "10.0.0.256", "a", "10.0.0.1/8", "fe80::1%eth0", " "]
)
def test_what_is_no_address_is_none(text):
    assert canonical_address(text) is None


NETWORKS = st.builds(
    lambda number, bits: ipaddress.IPv4Network((number, bits), strict=False),
    st.integers(0, 2**32 - 1),
    st.integers(1, 32),
)


@given(st.lists(NETWORKS, max_size=8), st.integers(0, 2**32 - 1))
def test_source_ranges_let_the_same_people_in(networks, number):
    left = [parse_cidr(text) for text in source_ranges(networks)]
    for probe in (ipaddress.IPv4Address(number), *(n.network_address for n in networks)):
        assert any(probe in n for n in networks) == any(probe in n for n in left)
    assert not any(a != b and a.subnet_of(b) for a in left for b in left)
