"""What somebody else has in IPVS is named in a plan before it is in the way, or gone."""

from __future__ import annotations

from dataclasses import replace

from svcform.backends.contract import Reading, Status
from svcform.backends.proxy.ipvs import IPVS
from svcform.backends.proxy.ipvs.observe import SERVICES, SETS
from svcform.diagnostics import Diagnostic, Severity
from svcform.lang.ipset.names import Set
from svcform.model.facts import Facts
from svcform.model.net import Family
from svcform.model.service import ServicePort, ServiceType
from svcform.model.settings import ProxyMode
from svcform.policy import marks
from svcform.policy.intent import Intent
from tests.unit.backends.proxy.iptables.workspaces import everything, intent, nothing, service

_SERVER = "server FWM {0} 0A000001:0050 Masq 1\n"
_FRONTENDS = Set.FRONTENDS.name_in(Family.IPV4)
NO_FACTS = Facts()
_SET = f"create {_FRONTENDS} hash:ip,port family inet skbinfo\n"


def found(
    services: str = "", sets: str = "", facts: Facts = NO_FACTS, given: Intent | None = None
) -> tuple[Diagnostic, ...]:
    given = given or intent(everything())
    wanted = replace(given, settings=replace(given.settings, proxy_mode=ProxyMode.IPVS))
    texts = {SERVICES: services, SETS: sets}
    readings = {
        name: Reading(status=Status.READ, output=text.encode()) for name, text in texts.items()
    }
    return IPVS.caveats(readings, facts, wanted)


def codes(services: str, sets: str = "", *, is_empty: bool = False) -> list[str]:
    given = nothing() if is_empty else None
    return [each.code for each in found(services, sets, given=given)]


def listed(mark: str) -> str:
    return f"service FWM {mark} rr\n" + _SERVER.format(mark)


def test_a_mark_like_ours_that_no_element_leads_to_is_named():
    assert codes(listed("50000000")) == ["SVC424"]


def test_a_mark_that_no_list_of_ours_can_have_is_left_alone_without_a_word():
    for mark in ("40000000", "40000001", "50000002", "5000000F", "00000063"):
        readings = {SERVICES: Reading(status=Status.READ, output=listed(mark).encode())}

        assert codes(listed(mark)) == []
        assert IPVS.read(readings, Facts()) == {}, mark


def test_what_elements_lead_to_what_is_wanted_and_what_is_leaving_is_ours():
    element = f"{_SET}add {_FRONTENDS} 10.96.0.1,tcp:80 skbmark 0x50000004\n"
    given = intent(everything())
    (_, mark, *_) = marks.marks_of(given.common, given.own).by_name.values()

    assert codes(listed("50000000"), element, is_empty=True) == []
    assert codes(listed("50000001"), element, is_empty=True) == []
    assert codes(listed(f"{mark:08X}")) == []
    assert codes(listed(f"{mark:08X}"), is_empty=True) == ["SVC424"]
    assert codes(listed("50000000").replace("Masq 1", "Masq 0")) == []


def test_only_what_is_at_an_address_with_node_ports_is_in_a_node_ports_way():
    ports = (ServicePort(name="http", port=80, node_port=30080),)
    sticky = service(1, type=ServiceType.NODE_PORT, ports=ports, affinity_seconds=600)
    given = intent([sticky])

    assert found("service TCP C0000250:7580 rr\n", given=given) == ()  # keepalived's 192.0.2.80
    (there,) = found("service TCP C0000201:7580 rr\n", given=given)
    assert (there.code, there.severity) == ("SVC422", Severity.ERROR)


def test_a_kernel_that_checks_clients_with_their_packets_mark_is_told():
    """wg-quick sets it for all links; marked packets are martians then."""

    def severities(**links: str) -> list[Severity]:
        sysctls = {f"net.ipv4.conf.{k}.src_valid_mark": value for k, value in links.items()}
        told = found(facts=Facts(sysctls=sysctls))
        assert {each.code for each in told} <= {"SVC425"}
        return [each.severity for each in told]

    assert severities(all="1", eth0="1") == [Severity.ERROR]
    assert severities(all="0", eth0="1") == [Severity.WARNING]
    assert severities(all="0", default="1", lo="1", eth0="0") == []
