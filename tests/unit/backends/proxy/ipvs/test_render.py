"""Steps come in an order in which no packet meets what isn't there."""

from __future__ import annotations

import pytest

from svcform.backends.contract import Reading, RenderInput, Status
from svcform.backends.proxy.ipvs import IPVS
from svcform.backends.proxy.ipvs.objects import Elements, VirtualService, address, service_address
from svcform.backends.proxy.ipvs.observe import SERVICES
from svcform.lang.ipset.names import Set
from svcform.lang.ipvs.service import MarkedService, Server
from svcform.model.facts import Facts
from svcform.model.net import Family
from svcform.plan.diff import compare
from svcform.program.program import Phase, Program

MARK = MarkedService(0x40001000, Family.IPV4)
OLD, NEW = Server("10.0.0.1", 80), Server("10.0.0.2", 80)
NAME = Set.FRONTENDS.name_in(Family.IPV4)


def service(*servers: Server, scheduler: str = "rr", **more):
    found = VirtualService(MARK, scheduler, None, servers, **more)
    return {service_address("ip", MARK): found}


def frontend(mark: int, key: str = "10.96.0.1,tcp:80"):
    return {address("ip", NAME, key): Elements(NAME, (f"{key} skbmark {mark:#x}",))}


def rendered(live, wanted, drain_wait: int = 0, listed: str = "") -> Program:
    changes = compare(live, wanted)
    return IPVS.render(
        RenderInput(
            changes=changes,
            live=live,
            wanted=wanted,
            readings={SERVICES: Reading(status=Status.READ, output=listed.encode())},
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
    tcp = rendered(service(OLD, NEW), service(NEW))
    udp = rendered(service(OLD, NEW), service(NEW, drains=False))

    assert lines(tcp, Phase.DRAIN) == [
        "0",
        "-e -f 1073745920 -r 10.0.0.1:80 -m -w 0",
        "-L -n -f 1073745920",
    ]
    assert len(tcp.steps) == 1
    assert lines(udp, Phase.BREAK) == ["-d -f 1073745920 -r 10.0.0.1:80"]


def test_servers_come_before_packets_are_led_to_them_and_go_after():
    program = rendered({**service(OLD), **frontend(1)}, {**service(NEW), **frontend(2)})

    assert lines(program, Phase.MAKE) == ["-a -f 1073745920 -r 10.0.0.2:80 -m -w 1"]
    assert lines(program, Phase.SWITCH) == [f"add {NAME} 10.96.0.1,tcp:80 skbmark 0x2"]
    assert lines(program, Phase.BREAK) == []
    assert lines(program, Phase.DRAIN)[1] == "-e -f 1073745920 -r 10.0.0.1:80 -m -w 0"


def test_with_the_last_of_a_family_everything_goes_at_once():
    """What was leaving by then, too, though nothing else is left of it."""
    listed = "service FWM 40002000 rr\nserver FWM 40002000 0A000001:0050 Masq 0\n"
    program = rendered(service(OLD), {}, listed=listed)

    assert lines(program, Phase.BREAK) == ["-D -f 1073745920", "-D -f 1073750016"]
    assert lines(program, Phase.DRAIN) == []


def test_another_scheduler_leaves_servers_alone():
    program = rendered(service(OLD), service(OLD, scheduler="lc"))

    assert lines(program, Phase.MAKE) == ["-E -f 1073745920 -s lc"]
    assert lines(program, Phase.BREAK) == []


def test_flags_that_somebody_gave_a_scheduler_are_taken_back():
    program = rendered(service(OLD, scheduler="sh", flags=""), service(OLD, scheduler="sh"))

    assert lines(program, Phase.MAKE) == ["-E -f 1073745920 -s sh -b sh-fallback"]


def test_a_server_that_was_leaving_is_taken_back_and_others_have_their_weight():
    live = service(Server("10.0.0.2", 80, 7), leaving=(OLD.place,))

    assert lines(rendered(live, service(OLD, NEW)), Phase.MAKE) == [
        "-e -f 1073745920 -r 10.0.0.1:80 -m -w 1",
        "-e -f 1073745920 -r 10.0.0.2:80 -m -w 1",
    ]


@pytest.mark.parametrize("asked", [0, 30, 86400])
def test_an_apply_waits_for_connections_at_last_and_beyond_its_time_limit(asked: int):
    program = rendered(service(OLD, NEW), service(NEW), asked)

    assert program.waits == asked
    assert program.steps[-1].waits == asked
    assert lines(program, Phase.DRAIN)[::2] == [str(asked), "-L -n -f 1073745920"]
    assert max(program.steps, key=lambda step: step.phase) is program.steps[-1]


def test_where_nothing_leaves_nothing_is_waited_for():
    assert rendered(service(OLD), service(OLD, NEW), 30).waits == 0


def test_what_was_leaving_before_is_looked_at_again():
    """Of ours only, and what has no server any more, too."""
    listed = (
        "service FWM 40002000 rr\nserver FWM 40002000 0A000001:0050 Masq 0\n"
        "service FWM 40003000 rr\nservice FWM 40004000 rr\n"
        "server FWM 40004000 0A000001:0050 Masq 1\n"
        "service FWM 00000063 rr\nserver FWM 00000063 0A000001:0050 Masq 0\n"
        "service TCP 0A60000C:0051 rr\n"
    )
    program = rendered(service(OLD), service(OLD, NEW), 30, listed)

    assert lines(program, Phase.DRAIN) == ["30", "-L -n -f 1073750016", "-L -n -f 1073754112"]


def test_the_way_back_undoes_the_way_there():
    live, wanted = {**service(OLD), **frontend(1)}, {**service(NEW), **frontend(2)}

    assert rendered(live, wanted).undo == rendered(wanted, live).steps
