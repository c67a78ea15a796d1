"""What somebody else has in IPVS is named in a plan before it is in the way, or gone."""

from __future__ import annotations

from dataclasses import replace

from svcform.backends.contract import Reading, Status
from svcform.backends.proxy.ipvs import IPVS
from svcform.backends.proxy.ipvs.observe import SERVICES, SETS
from svcform.lang.ipset.names import Set
from svcform.model.facts import Facts
from svcform.model.net import Family
from svcform.model.settings import ProxyMode
from svcform.policy import marks
from tests.unit.backends.proxy.iptables.workspaces import everything, intent, nothing

_SERVER = "server FWM {0} 0A000001:0050 Masq 1\n"
_FRONTENDS = Set.FRONTENDS.name_in(Family.IPV4)
_SET = f"create {_FRONTENDS} hash:ip,port family inet skbinfo\n"


def codes(services: str, sets: str = "", *, is_empty: bool = False) -> list[str]:
    given = nothing() if is_empty else intent(everything())
    wanted = replace(given, settings=replace(given.settings, proxy_mode=ProxyMode.IPVS))
    texts = {SERVICES: services, SETS: sets}
    readings = {
        name: Reading(status=Status.READ, output=text.encode()) for name, text in texts.items()
    }
    return [each.code for each in IPVS.caveats(readings, Facts(), wanted)]


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
