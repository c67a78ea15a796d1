"""Steps come in an order in which no packet meets what isn't there."""

from __future__ import annotations

import pytest

from svcform.backends.contract import RenderInput
from svcform.backends.proxy.ipvs import IPVS
from svcform.backends.proxy.ipvs.objects import Elements, VirtualService, address, service_address
from svcform.lang.ipset.names import Set
from svcform.lang.ipvs.service import MarkedService, Server
from svcform.model.facts import Facts
from svcform.model.net import Family
from svcform.plan.diff import compare
from svcform.program.program import Phase, Program

MARK = MarkedService(0x40001000, Family.IPV4)
OLD, NEW = Server("10.0.0.1", 80), Server("10.0.0.2", 80)
NAME = Set.FRONTENDS.name_in(Family.IPV4)


def service(*servers: Server, scheduler: str = "rr", drains: bool = True):
    found = VirtualService(MARK, scheduler, None, servers, drains=drains)
    return {service_address("ip", MARK): found}


def frontend(mark: int, key: str = "10.96.0.1,tcp:80"):
    return {address("ip", NAME, key): Elements(NAME, (f"{key} skbmark {mark:#x}",))}


def rendered(live, wanted, drain_wait: int = 0) -> Program:
    changes = compare(live, wanted)
    return IPVS.render(
        RenderInput(
            changes=changes,
            live=live,
            wanted=wanted,
            readings={},
            facts=Facts(),
            drain_wait=drain_wait,
        )
    )


def lines(program: Program, phase: Phase) -> list[str]:
    return [
        line
        for step in program.steps
        if step.phase is phase
        for line in step.stdin.decode().splitlines()
    ]


def test_a_server_of_tcp_gets_no_new_connections_and_one_of_udp_goes():
    leaving = "FWM 40001000 0A000001:0050\t-f 1073745920 -r 10.0.0.1:80"

    tcp = rendered(service(OLD, NEW), service(NEW))
    udp = rendered(service(OLD, NEW), service(NEW, drains=False))

    assert lines(tcp, Phase.BREAK)[0] == f"quiet\t{leaving} -m -w 0"
    assert lines(udp, Phase.BREAK)[0] == f"noserver\t{leaving}"


def test_servers_come_before_packets_are_led_to_them_and_go_after():
    program = rendered({**service(OLD), **frontend(1)}, {**service(NEW), **frontend(2)})

    assert lines(program, Phase.MAKE) == [
        "server\tFWM 40001000 0A000002:0050\t-f 1073745920 -r 10.0.0.2:80 -m -w 1"
    ]
    assert lines(program, Phase.SWITCH) == [f"add {NAME} 10.96.0.1,tcp:80 skbmark 0x2"]
    assert lines(program, Phase.BREAK)[0].startswith("quiet\tFWM 40001000 0A000001:0050\t")


def test_with_the_last_of_a_family_everything_goes_at_once():
    program = rendered(service(OLD), {})

    assert lines(program, Phase.BREAK) == ["noservice\tFWM 40001000\t-f 1073745920"]


def test_another_scheduler_leaves_servers_alone():
    program = rendered(service(OLD), service(OLD, scheduler="lc"))

    assert lines(program, Phase.MAKE) == ["service\tFWM 40001000\t-f 1073745920 -s lc"]
    assert lines(program, Phase.BREAK) == ["0"]


@pytest.mark.parametrize(("asked", "waited"), [(0, "0"), (30, "30"), (86400, "240")])
def test_a_step_waits_for_connections_as_long_as_a_run_allows(asked: int, waited: str):
    assert lines(rendered(service(OLD, NEW), service(NEW), asked), Phase.BREAK)[-1] == waited


def test_the_way_back_undoes_the_way_there():
    live, wanted = {**service(OLD), **frontend(1)}, {**service(NEW), **frontend(2)}

    assert rendered(live, wanted).undo == rendered(wanted, live).steps
