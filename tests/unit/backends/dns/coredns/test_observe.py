"""What somebody did to a zone file is found, and put right by the next apply."""

from __future__ import annotations

import pytest

from svcform.backends.contract import Reading, RenderInput, Status
from svcform.backends.dns.coredns import COREDNS
from svcform.backends.dns.coredns.objects import Running, Start, record_address
from svcform.backends.dns.coredns.observe import PROBE
from svcform.lang.zone.text import write
from svcform.model.facts import Facts
from svcform.model.zone import RecordSet, Soa, Zone
from svcform.plan.diff import compare

ORIGIN = "cluster.local."
SOA = Soa(primary=f"ns.dns.{ORIGIN}", mailbox=f"hostmaster.{ORIGIN}")
RECORD = RecordSet(f"web.{ORIGIN}", "A", 5, ("10.96.0.1",))
ZONE = Zone(origin=ORIGIN, soa=SOA, records=(RECORD,))
TEXT = write(ZONE, 7).decode()
WANTED = {
    Running().address: Running(),
    record_address(ORIGIN, ORIGIN, "SOA"): Start(ORIGIN, SOA),
    record_address(ORIGIN, RECORD.name, "A"): RECORD,
}


def readings(text):
    lines = len(text.splitlines())
    output = f"running\t7\nfile\t{lines}\t{ORIGIN}zone\n{text}"
    return {PROBE: Reading(status=Status.READ, output=output.encode())}


def planned(text, serial):
    live = COREDNS.read(readings(text), Facts())
    changes = compare(live, WANTED)
    inputs = RenderInput(
        changes=changes, live=live, wanted=WANTED, readings={}, facts=Facts(dns_serial=serial)
    )
    return COREDNS.render(inputs)


def test_a_zone_as_it_was_written_is_as_wanted():
    assert COREDNS.read(readings(TEXT), Facts()) == WANTED
    assert COREDNS.tell(readings(TEXT), Facts()).dns_serial == 7


@pytest.mark.parametrize("text", ["hello world\n", "", TEXT.replace(" 7 7200", " -5 7200")])
def test_a_file_that_is_no_zone_any_more_is_written_anew(text):
    assert COREDNS.tell(readings(text), Facts()).dns_serial == 0

    program = planned(text, 9)

    (step,) = program.steps
    head = f"{ORIGIN} 5 IN SOA {SOA.primary} {SOA.mailbox}"
    assert step.stdin.decode().splitlines()[:2] == [
        f"zone\t{ORIGIN}\t10\t{head}\t7200 1800 86400 5\twhole",
        f"+\t{RECORD.lines()[0]}",
    ]
    undone = [line for step in program.undo for line in step.stdin.decode().splitlines()]
    assert not [line for line in undone if line.startswith(("zone", "remove", "-", "+"))]


def test_serial_0_is_replaced_before_a_start_fails_by_it():
    (step,) = planned(TEXT.replace(" 7 7200", " 0 7200"), 9).steps

    assert step.stdin.decode().startswith(f"zone\t{ORIGIN}\t10\t")
