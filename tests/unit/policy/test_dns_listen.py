"""What a node's CoreDNS takes over from the proxy."""

from __future__ import annotations

import ipaddress

import pytest

from svcform.model.endpoint import Endpoint, PortKey
from svcform.model.net import Family, Protocol
from svcform.model.node import Connection, Node
from svcform.model.service import NamespacedName, Service, ServicePort
from svcform.model.settings import Settings
from svcform.model.workspace import Workspace
from svcform.policy.decide import decide

DNS = NamespacedName("kube-system", "kube-dns")
WEB = NamespacedName("default", "web")
PORTS = (
    ServicePort(name="dns", port=53, protocol=Protocol.UDP),
    ServicePort(name="metrics", port=9153),
)


def decided(server="192.0.2.1", external=(), **settings):
    kept = Settings(dns=True, service_cidrs=("10.96.0.0/16", "fd00::/112"), **settings)
    node = Node(name="n1", connection=Connection(host="192.0.2.1"), settings=kept, plays=(0,))
    services = {
        DNS: Service(key=DNS, cluster_ips=("10.96.0.10",), external_ips=external, ports=PORTS),
        WEB: Service(key=WEB, cluster_ips=("10.96.0.11",), ports=(ServicePort(port=80),)),
    }
    endpoints = {
        DNS: {
            PortKey(port.name, port.protocol, Family.IPV4): (
                Endpoint(address=server, port=port.port),
            )
            for port in PORTS
        },
        WEB: {PortKey("", Protocol.TCP, Family.IPV4): (Endpoint(address="10.244.0.5", port=80),)},
    }
    world = Workspace(
        project_id="",
        root="",
        nodes=(node,),
        play_nodes=(node,),
        services=services,
        endpoints=endpoints,
        play_services=(tuple(services),),
    )
    return decide(world)["n1"]


def frontends(intent):
    ports = (*intent.common.ports, *intent.own.ports)
    return {(f.address, f.port) for port in ports for f in port.frontends}


ALL = {("10.96.0.10", 53), ("10.96.0.10", 9153), ("10.96.0.11", 80)}


@pytest.mark.parametrize(
    ("given", "own"),
    [
        ({}, ()),
        ({"dns_listen": ("192.0.2.1",)}, ()),
        ({"dns_listen": ("192.0.2.1", "10.96.0.10")}, ("10.96.0.10",)),
        ({"dns_listen": ("10.96.0.11",)}, ()),
        ({"dns_resolver": "node"}, ("10.96.0.10", "169.254.20.10")),
        ({"dns_resolver": "node", "server": "192.0.2.99"}, ("169.254.20.10",)),
    ],
)
def test_only_port_53_of_what_coredns_binds_leaves_the_proxy(given, own):
    intent = decided(**given)

    assert intent.own_addresses == own
    assert frontends(intent) == ALL - {(address, 53) for address in own}
    assert intent.cluster_ips == tuple(a for a in ("10.96.0.10", "10.96.0.11") if a not in own)


@pytest.mark.parametrize(
    ("listen", "left"),
    [((), ["192.0.2.1"]), (("192.0.2.1",), ["192.0.2.1"]), (("198.51.100.7",), ["198.51.100.7"])],
)
def test_an_external_address_that_coredns_binds_is_its_own_at_port_53(listen, left):
    external = ("192.0.2.1", "198.51.100.7")
    intent = decided(external=external, dns_listen=listen)

    expected = ALL | {(address, port) for address in external for port in (53, 9153)}
    assert frontends(intent) == expected - {(address, 53) for address in left}
    assert intent.own_addresses == ()
    assert intent.settings.service_cidrs == ("10.96.0.0/16", "fd00::/112")


def test_all_other_addresses_of_the_service_cidrs_are_still_dropped():
    cidrs = [ipaddress.ip_network(c) for c in decided(dns_resolver="node").settings.service_cidrs]

    assert not any(ipaddress.ip_address("10.96.0.10") in network for network in cidrs)
    assert sum(n.num_addresses for n in cidrs if n.version == 4) == 2**16 - 1
    assert ipaddress.ip_network("fd00::/112") in cidrs
