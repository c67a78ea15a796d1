"""Answers to health checks: who gives them, what of them a targeted plan changes."""

from __future__ import annotations

import dataclasses
import re

import pytest

from svcform.backends.proxy.userspace import HEALTH
from svcform.backends.proxy.userspace.objects import File, Health, Running, Server
from svcform.model.facts import ClosedInput, Facts, ForeignSocket, Init, InterfaceAddress
from svcform.model.net import Family, Protocol
from svcform.model.service import NamespacedName
from svcform.model.settings import ProxyMode, Settings
from svcform.plan.snapshot import Snapshot
from svcform.policy.intent import (
    Destination,
    Frontend,
    FrontendKind,
    HealthCheck,
    Intent,
    Pool,
    PortGroup,
    PortIntent,
    Route,
    Source,
)

FACTS = Facts(
    tools={"haproxy": "2.6.12", "bash": "present"},
    os_release={"ID": "debian"},
    addresses=(
        InterfaceAddress(interface="eth0", address="192.0.2.1", prefix_length=24),
        InterfaceAddress(interface="eth0", address="192.0.2.2", prefix_length=24),
        InterfaceAddress(interface="lo", address="::1", prefix_length=128, scope="host"),
    ),
    init=Init.SYSTEMD,
)
MODES = [mode for mode in ProxyMode if mode is not ProxyMode.NONE]


def intent(*names: str, mode: ProxyMode = ProxyMode.IPTABLES, **settings: object) -> Intent:
    """A node that is asked about Services, from port 31000 on."""
    nothing = PortGroup(())
    base = Settings(proxy_mode=mode, node_ip=("192.0.2.1",))
    return Intent(
        node_name="edge-1",
        settings=dataclasses.replace(base, **settings),
        common=nothing,
        own=nothing,
        cluster_ips=(),
        hairpin=(),
        health_check_node_ports=tuple(31000 + n for n, _ in enumerate(names)),
        health_checks=tuple(
            HealthCheck(NamespacedName("test", name), 31000 + n, 1) for n, name in enumerate(names)
        ),
    )


def answered(snapshot: Snapshot) -> set[str]:
    """The Services that load balancers hear about."""
    return {found.service for found in snapshot.values() if isinstance(found, Health)}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("tools", "reason"),
    [
        ({"bash": "present"}, "has no haproxy. Install it on the node: apt-get install haproxy"),
        ({"bash": "present", "haproxy": "1.8.27"}, "HAProxy 1.8.27 is older than 2.2"),
        ({"haproxy": "2.6.12"}, "neither bash nor nc"),
    ],
)
def test_a_node_that_can_not_answer_says_so_and_carries_on(
    mode: ProxyMode, tools: dict[str, str], reason: str
):
    found = HEALTH.express(intent("web", "api", mode=mode), dataclasses.replace(FACTS, tools=tools))

    assert found.wanted == {}
    (said,) = found.diagnostics
    assert (said.code, said.severity.value) == ("SVC474", "warning")
    assert "edge-1 for test/web (port 31000), test/api (port 31001)" in said.detail
    assert reason in said.detail


def test_a_node_without_services_to_answer_for_says_nothing():
    nothing = (intent("web", mode=ProxyMode.NONE), intent(), intent("web"))
    bare = dataclasses.replace(FACTS, tools={})

    for each in (*nothing[:2], dataclasses.replace(nothing[2], wanted=False)):
        found = HEALTH.express(each, bare)
        assert (found.wanted, found.diagnostics) == ({}, ())


def test_a_port_that_somebody_has_is_left_to_them():
    held = (
        ForeignSocket(Protocol.TCP, "0.0.0.0", 31000, "responder (process 7)"),
        ForeignSocket(Protocol.UDP, "", 31001, "chronyd (process 8)"),
    )
    found = HEALTH.express(intent("web", "api"), dataclasses.replace(FACTS, foreign_sockets=held))

    assert answered(found.wanted) == {"test/api"}
    (said,) = found.diagnostics
    assert (said.code, said.severity.value) == ("SVC475", "warning")
    assert "On edge-1 responder (process 7) has port 31000" in said.detail
    assert "test/web" in said.detail


@pytest.mark.parametrize(
    ("chosen", "addresses"),
    [(("primary",), ("192.0.2.1",)), (("all",), ()), (("192.0.2.2/32",), ("192.0.2.2",))],
)
def test_it_is_answered_on_the_addresses_of_node_ports(
    chosen: tuple[str, ...], addresses: tuple[str, ...]
):
    found = HEALTH.express(intent("web", node_port_addresses=chosen), FACTS).wanted

    (check,) = (entry for entry in found.values() if isinstance(entry, Health))
    assert check.addresses == addresses


def targeted(
    live: Snapshot, wanted: Snapshot, *names: str, destroy: bool = False
) -> dict[str, int | str]:
    """What becomes of the Services' answers, and whether it runs."""
    found = HEALTH.narrow(live, wanted, {f"test/{n}" for n in names}.__contains__, destroy=destroy)
    said: dict[str, int | str] = {
        entry.service.removeprefix("test/"): entry.endpoints
        for entry in found.values()
        if isinstance(entry, Health)
    }
    running = [entry for entry in found.values() if isinstance(entry, Running)]
    if running:
        said["runs"] = "well" if running[0].is_current else "stale"
    assert bool(running) is any(isinstance(entry, File) for entry in found.values())
    return said


def test_a_targeted_plan_leaves_others_answers_as_they_are():
    live = HEALTH.express(intent("a", "b"), FACTS).wanted
    more = intent("a", "b", "c")
    counted = tuple(check._replace(local_endpoints=7) for check in more.health_checks)
    wanted = HEALTH.express(dataclasses.replace(more, health_checks=counted), FACTS).wanted

    assert targeted(live, wanted, "a") == {"a": 7, "b": 1, "runs": "well"}
    assert targeted(live, wanted, "c") == {"a": 1, "b": 1, "c": 7, "runs": "well"}
    assert targeted(live, wanted, "x") == {"a": 1, "b": 1, "runs": "well"}
    assert targeted({}, wanted, "c") == {"c": 7, "runs": "well"}
    assert targeted({}, wanted, "x") == {}
    assert targeted(live, wanted, "a", destroy=True) == {"b": 1, "runs": "well"}
    assert targeted(live, wanted, "a", "b", destroy=True) == {}
    assert targeted(live, {}, "a") == {"b": 1, "runs": "well"}


def test_a_targeted_plan_starts_what_has_died_only_for_services_that_are_targeted():
    wanted = HEALTH.express(intent("a", "b"), FACTS).wanted
    stale = Running(Server.HEALTH, is_current=False)
    live = {**wanted, stale.address: stale}
    del live[next(address for address, entry in live.items() if entry == health("a"))]

    assert targeted(live, wanted, "x") == {"b": 1, "runs": "stale"}
    assert targeted(live, wanted, "b") == {"b": 1, "runs": "well"}


def health(name: str) -> Health:
    return Health(f"test/{name}", 31000, 1, ("192.0.2.1",), ipv6=False)


def test_a_targeted_service_gets_its_file_back_from_whoever_wrote_into_it():
    wanted = HEALTH.express(intent("a", "b"), FACTS).wanted
    mine = File("/etc/svcform/health/services/test.a.cfg", "# mine\n", backend="health")
    live = {a: entry for a, entry in wanted.items() if entry != health("a")}
    live[mine.address] = mine

    assert HEALTH.narrow(live, wanted, {"test/b"}.__contains__, destroy=False) == live
    assert HEALTH.narrow(live, wanted, {"test/a"}.__contains__, destroy=False) == wanted


@pytest.mark.parametrize(
    ("mode", "protocol", "watched"),
    [
        (ProxyMode.NFTABLES, Protocol.TCP, []),
        (ProxyMode.USERSPACE, Protocol.TCP, ["127.0.0.1:29998"]),
        (ProxyMode.USERSPACE, Protocol.UDP, ["127.0.0.1:29999"]),
    ],
)
def test_answers_depend_on_the_servers_that_carry_traffic(
    mode: ProxyMode, protocol: Protocol, watched: list[str]
):
    to = Pool((Destination("10.1.0.2", 8080),))
    cluster_ip = Frontend(
        kind=FrontendKind.CLUSTER_IP,
        address="10.96.0.80",
        port=80,
        protocol=protocol,
        routes=(Route(Source.ANY, to),),
    )
    service = NamespacedName("test", "web")
    port = PortIntent(service, "http", protocol, Family.IPV4, (cluster_ip,), to.destinations)
    given = dataclasses.replace(intent("web", mode=mode), common=PortGroup((port,)))

    found = HEALTH.express(given, FACTS).wanted

    (main,) = (x.text for x in found.values() if isinstance(x, File) and x.path.endswith(".cfg"))
    assert re.findall(r"server \S+ (\S+) check ", main) == watched


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("has_jump", [True, False])
def test_a_firewall_that_drops_health_checks_is_named_where_no_jump_of_ours_lets_them_in(
    mode: ProxyMode, has_jump: bool
):
    open_ports = ((1, 31000), (31002, 31002))
    shut = ClosedInput("INPUT of its tool", "tool --dports ", " -j ACCEPT", open_ports, has_jump)
    tools = {**FACTS.tools, "iptables": "present"}
    facts = dataclasses.replace(FACTS, tools=tools, closed_inputs=(shut,))

    said = HEALTH.express(intent("a", "b", "c", "d", mode=mode), facts).diagnostics

    if has_jump and mode in {ProxyMode.IPTABLES, ProxyMode.USERSPACE}:
        assert said == ()
        return
    (found,) = said
    assert (found.code, found.severity.value) == ("SVC477", "warning")
    assert "ask for test/b (port 31001), test/d (port 31003) may get no" in found.detail
    assert found.detail.endswith(": tool --dports 31001,31003 -j ACCEPT")
