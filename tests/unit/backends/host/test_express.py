"""Which settings a node gets follows from its Services and from what it is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from svcform.backends.host import HOST
from svcform.backends.host.objects import BootUnit
from svcform.model.facts import Facts, Init, InterfaceAddress
from svcform.model.net import Family
from svcform.model.node import Connection, Node
from svcform.model.settings import ProxyMode, Settings
from svcform.policy.intent import Intent, PortIntent
from tests.unit.engine.node import intent, port

SETTINGS = Settings(service_cidrs=("10.96.0.0/16", "fd00:96::/112"))
NODE = Node(name="n1", connection=Connection(host="192.0.2.11"), settings=SETTINGS, plays=(0,))
FACTS = Facts(
    addresses=(
        InterfaceAddress(interface="eth0", address="192.0.2.11", prefix_length=24),
        InterfaceAddress(interface="eth0", address="fd00::11", prefix_length=64),
    ),
    sysctls={"net.ipv4.ip_forward": "0", "net.ipv6.conf.all.forwarding": "0"},
    routes=(
        "IPv4 default via 192.0.2.1 dev eth0",
        "IPv6 default via fe80::1 dev eth0 proto static",
    ),
    default_source={Family.IPV4: "192.0.2.11", Family.IPV6: "fd00::11"},
    init=Init.SYSTEMD,
    init_writable=True,
)
FOUR = port()
SIX = port("six", "fd00:96::1", ("fd00:244::5",))


def lines(wish: Intent, facts: Facts = FACTS) -> list[str]:
    found = HOST.express(wish, facts)
    settings = [entry for entry in found.wanted.values() if not isinstance(entry, BootUnit)]
    return sorted(line for entry in settings for line in entry.lines())


def boot(wish: Intent, facts: Facts = FACTS) -> tuple[list[str], list[str]]:
    """The services, and the codes of what is said."""
    found = HOST.express(wish, facts)
    units = [entry.path for entry in found.wanted.values() if isinstance(entry, BootUnit)]
    return units, [finding.code for finding in found.diagnostics]


@pytest.mark.parametrize(
    ("init", "paths"),
    [
        (
            Init.SYSTEMD,
            [
                "svcform.service",
                "svcform-late.service",
                *(
                    f"svcform-after-{firewall}.service"
                    for firewall in (
                        "firewalld",
                        "ufw",
                        "nftables",
                        "netfilter-persistent",
                        "iptables",
                        "ip6tables",
                        "docker",
                    )
                ),
                "svcform-after-firewall-cmd.service",
                "svcform-after-firewall-cmd.path",
            ],
        ),
        (Init.SYSV, ["svcform", "svcform-late"]),
        (Init.OPENRC, ["svcform", "svcform-late"]),
    ],
)
def test_services_come_back_at_boot(init: Init, paths: list[str]) -> None:
    units, codes = boot(intent(NODE, FOUR), replace(FACTS, init=init))
    assert ([unit.rpartition("/")[2] for unit in units], codes) == (paths, [])
    assert boot(intent(NODE))[0] == []
    assert boot(replace(intent(NODE, FOUR), wanted=False))[0] == []


def test_a_node_that_only_serves_names_has_something_to_bring_back() -> None:
    settings = replace(SETTINGS, proxy_mode=ProxyMode.NONE, dns=True)
    assert boot(replace(intent(NODE), settings=settings)) == boot(intent(NODE, FOUR))


@pytest.mark.parametrize("change", [{"init": Init.NONE}, {"init_writable": False}])
def test_where_nothing_can_be_started_at_boot_the_plan_says_so(change: dict[str, object]) -> None:
    assert boot(intent(NODE, FOUR), replace(FACTS, **change)) == ([], ["SVC459"])
    assert boot(intent(NODE), replace(FACTS, **change)) == ([], [])


@pytest.mark.parametrize(
    ("ports", "wanted"),
    [
        ((), []),
        ((FOUR,), ["net.ipv4.ip_forward = 1"]),
        ((SIX,), ["net.ipv6.conf.all.forwarding = 1"]),
        ((FOUR, SIX), ["net.ipv4.ip_forward = 1", "net.ipv6.conf.all.forwarding = 1"]),
    ],
)
def test_a_family_is_forwarded_where_it_has_services(
    ports: tuple[PortIntent, ...], wanted: list[str]
) -> None:
    assert lines(intent(NODE, *ports)) == wanted


def test_nothing_is_set_where_nothing_is_wanted() -> None:
    wish = intent(NODE, FOUR)
    assert lines(replace(wish, wanted=False)) == []
    assert lines(replace(wish, settings=replace(SETTINGS, proxy_mode=ProxyMode.NONE))) == []


def test_router_advertisements_go_on_where_a_default_route_came_by_one() -> None:
    facts = replace(FACTS, routes=("IPv6 default via fe80::1 dev eth0.7 proto ra metric 100",))
    wish = intent(replace(NODE, settings=replace(SETTINGS, service_cidrs=())), SIX)
    assert lines(wish, facts) == [
        "net.ipv6.conf.all.forwarding = 1",
        "net.ipv6.conf.eth0/7.accept_ra = 2",
    ]
    changes = HOST.express(wish, facts).wanted
    assert any("eth0/7" in str(address) for address in changes)


@pytest.mark.parametrize(
    ("routes", "routed"),
    [
        (("IPv4 192.0.2.0/24 dev eth0",), True),
        (("IPv4 10.0.0.0/8 via 192.0.2.1 dev eth0",), False),
        (("IPv4 10.96.0.0/24 via 192.0.2.1 dev eth0",), True),
        (("IPv4 10.96.0.0/16 dev lo proto 83 src 192.0.2.11",), True),
        (("IPv4 unreachable default metric 4278198272",), True),
    ],
)
def test_service_addresses_get_a_route_where_no_other_leads_there(
    routes: tuple[str, ...], routed: bool
) -> None:
    found = lines(intent(NODE, FOUR), replace(FACTS, routes=routes))
    assert ("10.96.0.0/16 dev lo src 192.0.2.11 proto 83" in found) is routed


def test_a_bridge_that_carries_endpoints_calls_the_rules() -> None:
    bridge = InterfaceAddress(interface="cni0", address="10.244.1.1", prefix_length=24)
    facts = replace(
        FACTS,
        bridges=frozenset({"cni0", "docker0"}),
        addresses=(*FACTS.addresses, bridge),
        loadable=frozenset({"br_netfilter"}),
    )
    assert lines(intent(NODE, FOUR), facts) == [
        "modprobe br_netfilter",
        "net.bridge.bridge-nf-call-iptables = 1",
        "net.ipv4.ip_forward = 1",
    ]
    elsewhere = port(endpoints=("10.244.2.5",))
    assert lines(intent(NODE, elsewhere), facts) == ["net.ipv4.ip_forward = 1"]
    lacking = HOST.express(intent(NODE, FOUR), replace(facts, loadable=frozenset()))
    assert [finding.code for finding in lacking.diagnostics] == ["SVC456"]


def test_a_kernel_without_the_family_is_named() -> None:
    facts = replace(FACTS, sysctls={"net.ipv4.ip_forward": "0"})
    found = HOST.express(intent(NODE, SIX), facts)
    assert [finding.code for finding in found.diagnostics] == ["SVC455"]


RANGE, RESERVED = "net.ipv4.ip_local_port_range", "net.ipv4.ip_local_reserved_ports"


@pytest.mark.parametrize(
    ("mode", "given", "reserved", "wanted"),
    [
        (ProxyMode.USERSPACE, "1024\t65535", "", "10240-29999"),
        (ProxyMode.USERSPACE, "29999\t60999", "8080,9000-9001", "8080,9000-9001,10240-29999"),
        (ProxyMode.USERSPACE, "1024\t65535", "30000,10000-10239", "10000-30000"),
        (ProxyMode.USERSPACE, "1024\t65535", "8080,10240-29999", "8080,10240-29999"),
        (ProxyMode.USERSPACE, "32768\t60999", "", ""),
        (ProxyMode.USERSPACE, "1024\t10239", "", ""),
        (ProxyMode.NFTABLES, "1024\t65535", "", ""),
    ],
)
def test_the_kernel_gives_nobody_a_port_of_the_proxies(
    mode: ProxyMode, given: str, reserved: str, wanted: str
):
    wish = intent(NODE, FOUR)
    wish = replace(wish, settings=replace(wish.settings, proxy_mode=mode))
    sysctls = {**FACTS.sysctls, RANGE: given, RESERVED: reserved}

    found = [x for x in lines(wish, replace(FACTS, sysctls=sysctls)) if RESERVED in x]

    assert found == ([f"{RESERVED} = {wanted}"] if wanted else [])
