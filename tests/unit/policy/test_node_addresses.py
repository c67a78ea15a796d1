"""Which addresses are the node's own, and which carry node ports."""

from __future__ import annotations

import pytest

from svcform.model.facts import Facts, InterfaceAddress
from svcform.model.net import Family
from svcform.model.settings import ProxyMode, Settings
from svcform.policy.node_addresses import resolve


def on(interface: str, address: str, prefix_length: int = 24) -> InterfaceAddress:
    return InterfaceAddress(interface=interface, address=address, prefix_length=prefix_length)


FACTS = Facts(
    addresses=(
        on("lo", "127.0.0.1", 8),
        on("lo", "::1", 128),
        on("lo", "198.51.100.7", 32),
        on("eth0", "192.0.2.11"),
        on("eth0", "2001:db8::11", 64),
        on("eth0", "fe80::11", 64),
        on("eth1", "10.0.0.11"),
        on("svcform0", "10.96.0.10", 32),
    ),
    default_source={Family.IPV4: "10.0.0.11", Family.IPV6: "2001:db8::11"},
)
ALL_IPV4 = ("10.0.0.11", "192.0.2.11", "198.51.100.7")


def test_the_connection_s_address_is_primary_if_the_node_has_it():
    assert resolve(Settings(), FACTS, "192.0.2.11").primary == {
        Family.IPV4: "192.0.2.11",
        Family.IPV6: "2001:db8::11",
    }


@pytest.mark.parametrize("host", ["edge-1.example.org", "203.0.113.5", ""])
def test_behind_a_name_or_a_translated_address_the_default_route_says_it(host):
    assert resolve(Settings(), FACTS, host).primary[Family.IPV4] == "10.0.0.11"


def test_the_setting_wins_family_by_family():
    found = resolve(Settings(node_ip=("198.51.100.7",)), FACTS, "192.0.2.11").primary
    assert found == {Family.IPV4: "198.51.100.7", Family.IPV6: "2001:db8::11"}


def test_a_family_without_any_source_has_no_primary_and_no_node_port():
    found = resolve(Settings(), Facts(addresses=FACTS.addresses), "192.0.2.11")
    assert Family.IPV6 not in found.primary
    assert found.node_port == {Family.IPV4: ("192.0.2.11",), Family.IPV6: ()}


def test_all_leaves_out_loopback_link_local_and_our_own_link():
    found = resolve(Settings(node_port_addresses=("all",)), FACTS, "192.0.2.11").node_port
    assert found == {Family.IPV4: ALL_IPV4, Family.IPV6: ("2001:db8::11",)}


def test_cidrs_choose_in_their_family_and_leave_the_other_whole():
    settings = Settings(node_port_addresses=("10.0.0.0/8", "127.0.0.0/8"))
    found = resolve(settings, FACTS, "192.0.2.11").node_port
    assert found == {Family.IPV4: ("10.0.0.11",), Family.IPV6: ("2001:db8::11",)}
    settings = Settings(node_port_addresses=("2001:db8:1::/64",))
    found = resolve(settings, FACTS, "192.0.2.11").node_port
    assert found == {Family.IPV4: ALL_IPV4, Family.IPV6: ()}


@pytest.mark.parametrize(
    ("wish", "mode", "addresses", "expected"),
    [
        (True, ProxyMode.IPTABLES, ("primary",), True),
        (True, ProxyMode.IPTABLES, ("all",), True),
        (True, ProxyMode.IPTABLES, ("127.0.0.0/8",), True),
        (True, ProxyMode.IPTABLES, ("::/0",), True),
        (True, ProxyMode.IPTABLES, ("192.0.2.0/24",), False),
        (True, ProxyMode.NFTABLES, ("all",), False),
        (False, ProxyMode.IPTABLES, ("all",), False),
    ],
)
def test_node_ports_on_localhost_are_a_wish_that_iptables_can_grant(
    wish, mode, addresses, expected
):
    settings = Settings(proxy_mode=mode, node_port_addresses=addresses, localhost_node_ports=wish)
    assert resolve(settings, FACTS, "").localhost_node_ports is expected
