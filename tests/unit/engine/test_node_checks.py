"""Findings that need a node's facts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from svcform.engine.node_checks import check_node
from svcform.model.facts import Facts, InterfaceAddress
from svcform.model.net import Protocol
from svcform.model.node import Connection, Node
from svcform.model.packages import install_command
from svcform.model.settings import ProxyMode, Settings
from svcform.policy.intent import Intent
from tests.unit.engine.node import intent, port

FACTS = Facts(
    addresses=(
        InterfaceAddress(interface="lo", address="127.0.0.1", prefix_length=8, scope="host"),
        InterfaceAddress(interface="eth0", address="192.0.2.11", prefix_length=24),
        InterfaceAddress(interface="svcform0", address="10.96.0.10", prefix_length=32),
    ),
    os_release={"ID": "rocky", "ID_LIKE": "rhel centos fedora"},
)


def wish(*, protocol: Protocol = Protocol.TCP, **settings: object) -> Intent:
    node = Node(
        name="edge-1",
        connection=Connection(host="192.0.2.11"),
        settings=Settings(**{"service_cidrs": ("10.96.0.0/16",), **settings}),  # type: ignore[arg-type]
        plays=(0,),
    )
    made = port()
    frontend = replace(made.frontends[0], protocol=protocol)
    return intent(node, replace(made, protocol=protocol, frontends=(frontend,)))


@pytest.mark.parametrize(
    ("made", "codes"),
    [
        (wish(), []),
        (wish(service_cidrs=("192.0.0.0/16",)), ["SVC451"]),
        (wish(service_cidrs=("192.0.2.128/25",)), ["SVC451"]),
        (wish(load_balancer_pools={"edge": ("192.0.2.100-192.0.2.200",)}), []),
        (wish(load_balancer_pools={"edge": ("192.0.2.10-192.0.2.20",)}), ["SVC451"]),
        (wish(load_balancer_pools={"edge": ("192.0.2.0/24",)}), ["SVC451"]),
        (wish(node_ip=("192.0.2.12",)), ["SVC453"]),
        (wish(proxy_mode=ProxyMode.NFTABLES), []),
        (wish(proxy_mode=ProxyMode.IPVS), []),
        (wish(protocol=Protocol.UDP), ["SVC454"]),
        (wish(protocol=Protocol.UDP, proxy_mode=ProxyMode.NONE), []),
    ],
)
def test_each_mistake_has_its_code(made: Intent, codes: list[str]) -> None:
    assert [finding.code for finding in check_node(made, FACTS)] == codes


def test_the_package_is_named_as_the_distribution_has_it() -> None:
    (found,) = check_node(wish(protocol=Protocol.UDP), FACTS)
    assert found.detail.endswith("Install it on the node: dnf install conntrack-tools")
    assert install_command("conntrack", {"ID": "debian"}).endswith("apt-get install conntrack")
    assert install_command("nft", {"ID": "alpine"}).endswith("apk add nftables")
    assert install_command("iptables", {}) == "Install the package iptables on the node."
