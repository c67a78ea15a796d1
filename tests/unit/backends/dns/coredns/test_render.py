"""The steps of a change of zones: what goes first, and how long others may remember it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from svcform.backends.contract import RenderInput
from svcform.backends.dns.coredns import COREDNS
from svcform.backends.dns.coredns.corefile import write_corefile
from svcform.backends.dns.coredns.objects import COREFILE, File, Running, Start, record_address
from svcform.model.facts import Facts
from svcform.model.settings import Settings
from svcform.model.zone import RecordSet, Soa
from svcform.plan.diff import compare
from svcform.program.program import Phase

ZONE = "cluster.local."
SOA = Soa(primary=f"ns.dns.{ZONE}", mailbox=f"hostmaster.{ZONE}")
STAYS = RecordSet(f"a.{ZONE}", "A", 5, ("10.96.0.1",))
GOES = RecordSet(f"b.{ZONE}", "A", 30, ("10.96.0.2",))
VERSION = RecordSet(f"dns-version.{ZONE}", "TXT", 28800, ("1.1.0",))
COMES = RecordSet(f"c.{ZONE}", "A", 30, ("10.96.0.3",))


def snapshot(*records, soa=SOA, waits=True):
    settings = Settings(dns_ttl_wait=waits)
    text = write_corefile([ZONE], ["192.0.2.1"], [], settings, ["coredns"])
    found = [Start(ZONE, soa), File(COREFILE, text), Running()]
    return {
        **{each.address: each for each in found},
        **{record_address(ZONE, each.name, each.type): each for each in records},
    }


def rendered(before, after, serial=7):
    inputs = RenderInput(
        changes=compare(before, after),
        live=before,
        wanted=after,
        readings={},
        facts=Facts(dns_serial=serial),
    )
    return COREDNS.render(inputs)


def lines(step):
    return step.stdin.decode().splitlines()


def test_what_goes_goes_first_and_is_waited_out_before_anything_comes():
    leaving, waiting, coming = rendered(snapshot(STAYS, GOES), snapshot(STAYS, COMES)).steps

    assert [step.phase for step in (leaving, waiting, coming)] == [*[Phase.MAKE] * 2, Phase.SWITCH]
    assert [line for line in lines(leaving) if line[0] in "+-"] == [f"-\t{GOES.lines()[0]}"]
    assert (lines(waiting), waiting.waits) == (["wait\t30"], 30)
    assert [line for line in lines(coming) if line[0] in "+-"] == [f"+\t{COMES.lines()[0]}"]


@pytest.mark.parametrize(
    ("before", "after", "waits"),
    [
        (snapshot(STAYS, GOES, waits=False), snapshot(STAYS, waits=False), 0),
        (snapshot(STAYS, GOES._replace(ttl=99999)), snapshot(STAYS), 3600),
        (snapshot(STAYS), snapshot(STAYS, COMES), 0),
        (snapshot(STAYS, GOES, VERSION), {}, 30),
        ({}, snapshot(STAYS), 0),
    ],
    ids=["nobody asked", "an hour at most", "nothing goes", "all of it goes", "the first time"],
)
def test_how_long_an_apply_waits(before, after, waits):
    program = rendered(before, after)

    assert program.waits == waits
    assert all(step.waits == 0 or lines(step) == [f"wait\t{waits}"] for step in program.steps)


def test_endpoints_names_and_pointers_change_with_one_serial():
    """No Service stops with them; who wants them waited out has them go first all the same."""

    def endpoint(number):
        name, target = f"ep-{number}.db.shop.svc.{ZONE}", f"10.244.0.{number}"
        yield RecordSet(name, "A", 5, (target,))
        yield RecordSet(f"{number}.0.244.10.in-addr.arpa.", "PTR", 5, (name,))

    def crowd(*numbers, waits):
        addresses = tuple(f"10.244.0.{number}" for number in numbers)
        service = RecordSet(f"db.shop.svc.{ZONE}", "A", 5, addresses)
        return snapshot(service, *(r for n in numbers for r in endpoint(n)), waits=waits)

    (step,) = rendered(crowd(1, 2, waits=False), crowd(2, 3, waits=False)).steps

    assert step.phase is Phase.SWITCH
    assert len([line for line in lines(step) if line.startswith("zone\t")]) == 1
    assert f"-\t{next(endpoint(1)).lines()[0]}" in lines(step)
    assert len(rendered(crowd(1, 2, waits=True), crowd(2, 3, waits=True)).steps) == 3


def test_a_zone_whose_own_name_has_a_label_svc_loses_names_of_services_first():
    """And an endpoint's name is not taken for a Service's there."""
    origin = "svc.example.com."
    start = Start(origin, SOA)
    text = write_corefile([origin], ["192.0.2.1"], [], Settings(), ["coredns"])

    def phases(name):
        gone = RecordSet(name, "A", 5, ("10.96.0.1",))
        after = {each.address: each for each in (start, File(COREFILE, text), Running())}
        before = {**after, record_address(origin, name, "A"): gone}
        return {step.phase for step in rendered(before, after).steps}

    assert Phase.MAKE in phases(f"web.shop.svc.{origin}")
    assert phases(f"ep.web.shop.svc.{origin}") == {Phase.SWITCH}


@pytest.mark.parametrize("name", [f"_http._tcp.db.shop.svc.{ZONE}", f"db.shop.svc.{ZONE}"])
def test_a_service_and_its_ports_leave_first(name):
    gone = RecordSet(name, "SRV", 5, (f"0 100 80 db.shop.svc.{ZONE}",))

    leaving, _ = rendered(
        snapshot(STAYS, gone, waits=False), snapshot(STAYS, COMES, waits=False)
    ).steps

    assert leaving.phase is Phase.MAKE


def test_names_go_first_also_where_the_whole_zone_is_written_anew():
    other = replace(SOA, minimum=60)
    leaving, _, whole = rendered(snapshot(STAYS, GOES), snapshot(STAYS, soa=other)).steps

    assert f"-\t{GOES.lines()[0]}" in lines(leaving)
    assert lines(leaving)[0].endswith("\t7200 1800 86400 5")
    assert lines(whole)[0].endswith("\t7200 1800 86400 60\twhole")
    assert f"+\t{STAYS.lines()[0]}" in lines(whole)


def test_what_travels_is_as_long_as_the_change_however_large_the_zone_is():
    def size(zone, changed):
        names = [f"svc-{number}.{ZONE}" for number in range(zone)]
        before = [RecordSet(name, "A", 5, ("10.96.0.1",)) for name in names]
        after = [r._replace(rdatas=("10.96.0.2",)) for r in before[:changed]] + before[changed:]
        steps = rendered(snapshot(*before), snapshot(*after)).steps
        return sum(len(step.stdin) for step in steps)

    assert size(5_000, 1) == size(10, 1) < 300
    assert size(5_000, 10) == size(10, 10)
    assert size(5_000, 100) - size(5_000, 10) < 90 * 90 + 400


@pytest.mark.parametrize("serial", [0, 7, 2**32 - 2, 2**32 - 1])
def test_the_undo_has_a_later_serial_and_none_is_ever_0(serial):
    program = rendered(snapshot(STAYS), snapshot(STAYS, COMES), serial)
    there, back = (
        int(lines(steps[0])[0].split("\t")[2]) for steps in (program.steps, program.undo)
    )

    assert 0 not in {there, back}
    assert (there - serial) % 2**32 in {1, 2}
    assert 1 <= (back - there) % 2**32 <= 2
