"""Rules and listings of nft: what is written is read back, in each of the ways nft prints it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcform.lang.nft import rule as r
from svcform.lang.nft.listing import parse
from svcform.lang.nft.numbers import handle, number, seconds

BITS = st.integers(0, 31).map(lambda n: 1 << n)
NUMBERS = st.integers(1, 0xFFFFFFFE)
NAMES = st.sampled_from(["affinity", "pick-12", "list-sizes", "ip-else"])
FIELDS = st.sampled_from(
    ["ip saddr", "ip6 daddr . th dport", "meta priority . numgen random mod 7", "@nh,96,32"]
)
STATEMENTS = st.one_of(
    st.sampled_from(
        [r.New(), r.Translated(), r.Transport(), r.FromHere(), r.Masquerade(), r.Reject()]
    ),
    st.sampled_from(["tcp", "udp", "sctp"]).map(r.Over),
    BITS.map(r.Marked),
    st.builds(r.Marked, NUMBERS, NUMBERS),
    st.builds(r.SetMark, BITS, on=st.booleans()),
    st.builds(r.In, FIELDS, NAMES, negated=st.booleans()),
    st.builds(r.Priority, NUMBERS, NUMBERS),
    st.builds(r.SetPriority, st.just(0xFFFFFFF0), st.integers(0, 15)),
    NUMBERS.map(lambda value: r.SetPriority(0, value)),
    st.builds(r.LookUpPriority, FIELDS, NAMES),
    NAMES.map(r.Dispatch),
    st.builds(r.Dnat, st.sampled_from(["ip", "ip6"]), FIELDS, NAMES),
    st.builds(r.Dnat, st.just(""), FIELDS, NAMES, NAMES),
    st.builds(r.Update, NAMES, FIELDS, st.integers(1, 90000), st.just("ip daddr")),
    st.sampled_from(["accept", "drop", "return"]).map(r.Verdict),
    NAMES.map(r.Jump),
    NAMES.map(r.Goto),
)


@given(st.lists(STATEMENTS, min_size=1, max_size=5).map(tuple))
def test_what_is_written_is_read_back(rule: r.Rule):
    assert r.read(r.write(rule)) == rule


@pytest.mark.parametrize(
    ("printed", "canonical"),
    [
        ("ct state 0x8 goto look-up", "ct state new goto look-up"),
        ("ct status 0x20 return", "ct status dnat return"),
        ("fib saddr type 2 goto pick", "fib saddr type local goto pick"),
        (
            "meta l4proto { tcp, udp, sctp } dnat to ip saddr map @a:ip saddr map @b",
            "meta l4proto { 6, 17, 132 } dnat to ip saddr map @a : ip saddr map @b",
        ),
        ("dnat ip to ip saddr map @a", "dnat ip addr . port to ip saddr map @a"),
        ("meta mark & 0x00002000 != 0x00000000 drop", "meta mark & 0x2000 != 0x0 drop"),
        ("meta mark != 0x40000000/2 drop", "meta mark & 0xc0000000 != 0x40000000 drop"),
        (
            "update @a { ip saddr timeout 3h : ip daddr }",
            "update @a { ip saddr timeout 10800s : ip daddr }",
        ),
        ("reject with icmpv6 port-unreachable", "reject"),
        ("counter packets 3 bytes 180 drop", "counter packets 3 bytes 180 drop"),
    ],
)
def test_versions_and_options_print_the_same_rule_in_several_ways(printed: str, canonical: str):
    assert r.canonical(printed) == canonical


def test_what_is_not_understood_equals_nothing_of_ours():
    assert r.read("limit rate 5/second return") == (r.Unknown("limit rate 5/second return"),)


@given(NUMBERS)
def test_handles_are_read_back(value: int):
    assert number(handle(value)) == value


def test_times_are_read_in_all_their_units():
    assert seconds("1d2h3m4s") == 93784


LISTING = """\
table ip svcform {
	map frontends {
		typeof ip daddr . meta l4proto . th dport : meta priority
		elements = { 10.96.0.1 . 6 . 80 : 4000:11,
			10.96.0.2 . 17 . 53 : 4000:21 }
	}

	map affinity {
		typeof ip saddr . meta priority : ip daddr
		size 65535
		flags timeout,dynamic
		elements = { 192.0.2.1 . 4000:10 timeout 3h expires 2h59m3s12ms : 10.0.0.1 }
	}

	chain nat-prerouting {
		type nat hook prerouting priority dstnat; policy accept;
		meta priority & c000:0 == 4000:0 goto services
	}
}
"""


def test_a_listing_falls_into_sets_and_chains():
    table = parse(LISTING)
    assert table.sets["frontends"].elements == (
        "10.96.0.1 . 6 . 80 : 4000:11",
        "10.96.0.2 . 17 . 53 : 4000:21",
    )
    affinity = table.sets["affinity"]
    assert affinity.elements == ("192.0.2.1 . 4000:10 : 10.0.0.1",)
    assert "flags dynamic,timeout" in affinity.properties
    assert table.chains["nat-prerouting"].hook == "type nat hook prerouting priority -100"


@pytest.mark.parametrize(
    "text", ["table ip svcform {\n\tset s {\n", "table ip svcform {\n\tx y {\n\t}\n"]
)
def test_what_is_no_listing_is_refused(text: str):
    with pytest.raises(ValueError, match=r"listing|neither"):
        parse(text)
