"""Zone files: written, read back, also from another hand; serials only go up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcform.lang.zone.serial import following, highest, is_later
from svcform.lang.zone.text import is_own_form, read, write
from svcform.model.zone import RecordSet, Soa, Zone

ORIGIN = "cluster.local."
SOA = Soa(primary="ns.dns.cluster.local.", mailbox="hostmaster.cluster.local.")
SERIALS = st.integers(1, 2**32 - 1)
LABEL = st.from_regex(r"[a-z0-9](?:[-a-z0-9]{0,8}[a-z0-9])?", fullmatch=True)
ADDRESSES = st.lists(st.ip_addresses(v=4).map(str), min_size=1, unique=True).map(sorted)
SETS = st.dictionaries(LABEL, ADDRESSES, max_size=8)


def zone(addresses):
    records = [
        RecordSet(f"{name}.{ORIGIN}", "A", 5, tuple(found)) for name, found in addresses.items()
    ]
    return Zone(origin=ORIGIN, soa=SOA, records=tuple(sorted(records)))


@given(SETS, SERIALS)
def test_what_is_written_is_read(addresses, serial):
    made = zone(addresses)
    text = write(made, serial).decode()

    found = read(text, ORIGIN)

    assert (found.soa, found.serial, found.records) == (SOA, serial, made.records)
    assert is_own_form(text, ORIGIN, found)


def test_another_hands_form_is_read_and_known_as_such():
    text = (
        "$ORIGIN cluster.local.\n$TTL 5\n@ IN SOA ns.dns hostmaster (\n 9 2h 30m 1d 5 )\n"
        "web IN A 10.0.0.2 ; mine\n    IN A 10.0.0.1\n"
    )

    found = read(text, ORIGIN)

    assert (found.soa, found.serial) == (SOA, 9)
    assert found.records == (RecordSet(f"web.{ORIGIN}", "A", 5, ("10.0.0.1", "10.0.0.2")),)
    assert not is_own_form(text, ORIGIN, found)


@pytest.mark.parametrize("text", ["", "web IN A 10.0.0.1\n", "\0", "$INCLUDE /etc/shadow\n"])
def test_what_is_no_zone_is_refused(text):
    with pytest.raises(ValueError, match="zone"):
        read(text, ORIGIN)


def test_a_serial_with_which_coredns_does_not_start_is_another_hands():
    text = write(zone({"web": ["10.0.0.1"]}), 0).decode()

    assert not is_own_form(text, ORIGIN, read(text, ORIGIN))


@pytest.mark.parametrize("serial", [-5, 2**32])
def test_what_is_no_serial_makes_no_zone(serial):
    with pytest.raises(ValueError, match="zone"):
        read(write(zone({}), serial).decode(), ORIGIN)


@given(SERIALS, st.integers(1, 1000))
def test_serials_go_up_and_are_never_0(serial, steps):
    later = following(serial, steps)

    assert later != 0
    assert is_later(later, serial)


@given(SERIALS, st.lists(st.integers(0, 2**31 - 2), min_size=1))
def test_the_highest_serial_is_later_than_the_others(start, offsets):
    serials = [(start + offset) % 2**32 or 1 for offset in offsets]

    found = highest(serials)

    assert all(found == each or is_later(found, each) for each in serials)
