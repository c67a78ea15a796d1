"""Virtual services and servers, as ipvsadm and the kernel write them."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcform.lang.ipvs.listing import parse
from svcform.lang.ipvs.service import (
    AddressService,
    MarkedService,
    Server,
    options,
    place_of,
    read_place,
)
from svcform.model.net import Family

ports = st.integers(1, 65535)
addresses = st.one_of(
    st.integers(0, 2**32 - 1).map(lambda n: str(ipaddress.IPv4Address(n))),
    st.integers(0, 2**128 - 1).map(lambda n: str(ipaddress.IPv6Address(n))),
)


@given(addresses, ports)
def test_a_place_reads_back_to_address_and_port(address, port):
    assert read_place(place_of(address, port)) == (address, port)


@pytest.mark.parametrize(
    ("address", "port", "place"),
    [
        ("10.79.0.21", 8080, "0A4F0015:1F90"),
        ("fd79::22", 80, "[fd79:0000:0000:0000:0000:0000:0000:0022]:0050"),
    ],
)
def test_places_are_spelt_as_linux_prints_them(address, port, place):
    assert place_of(address, port) == place


def test_services_and_servers_are_spelt_as_ipvsadm_saves_them():
    assert MarkedService(0x40001000, Family.IPV4).write() == "-f 1073745920"
    assert MarkedService(0x40001010, Family.IPV6).write() == "-f 1073745936 -6"
    assert AddressService("UDP", "fd96::99", 53).write() == "-u [fd96::99]:53"
    assert AddressService("SCTP", "10.96.0.9", 53).write() == "--sctp-service 10.96.0.9:53"
    assert Server("fd79::21", 8080).write() == "-r [fd79::21]:8080 -m -w 1"
    assert options("rr", None) == "-s rr"
    assert options("mh", 600) == "-s mh -p 600 -b mh-fallback,mh-port"
    assert options("sh", None) == "-s sh -b sh-fallback"
    assert options("sh", None, "-o") == "-s sh -o"


#: Linux 6.1 with 100 ticks a second, flattened as nodes do it.
LISTED = """\
hz 100
service TCP 0A60000C:0050 rr persistent 77700 FFFFFFFF
server TCP 0A60000C:0050 0A4F0016:1F90 Masq 1
server TCP 0A60000C:0050 0A4F0015:1F90 Masq 0
service FWM 40001010 mh -b mh-fallback,mh-port
server FWM 40001010 [fd79:0000:0000:0000:0000:0000:0000:0022]:1F90 Route 3
service FWM 00000063 rr
"""


def test_a_listing_has_all_services_and_the_servers_that_take_connections():
    found = parse(LISTED)

    assert {place: (f.scheduler, f.seconds, f.servers) for place, f in found.items()} == {
        "TCP 0A60000C:0050": ("rr", 777, [Server("10.79.0.22", 8080)]),
        "FWM 40001010": ("mh", None, [Server("fd79::22", 8080, 3, "Route")]),
        "FWM 00000063": ("rr", None, []),
    }
    assert found["TCP 0A60000C:0050"].listed == LISTED.splitlines()[1:3]
    assert found["TCP 0A60000C:0050"].leaving == ["0A4F0015:1F90"]
    assert {each.flags for each in found.values()} == {None}


@pytest.mark.parametrize(
    ("listed", "flags"),
    [
        ("sh", ""),
        ("sh -b sh-fallback,sh-port", "-b sh-fallback,sh-port"),
        ("mh -b mh-port", "-b mh-port"),
        ("rr ops", "-o"),
        ("rr persistent 30000 FFFFFF00", "-M 255.255.255.0"),
        ("rr persistent 30000 40000000", "-M 64"),
    ],
)
def test_options_that_somebody_changed_are_seen_and_can_be_put_back(listed: str, flags: str):
    (found,) = parse(f"hz 100\nservice FWM 40001000 {listed}\n").values()

    assert found.flags == flags
    assert options(found.scheduler, None, flags).endswith(f" {flags}".rstrip())


@pytest.mark.parametrize("text", ["IP Virtual Server version 1.2.1", "server FWM 1 0A:1 Masq 1"])
def test_what_is_no_listing_is_never_read_as_empty(text):
    with pytest.raises((ValueError, KeyError, IndexError)):
        parse(text)
