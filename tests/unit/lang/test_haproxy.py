"""Configuration of HAProxy and nginx reads back as what it was written from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcform.lang import haproxy, nginx
from svcform.lang.listener import Listener

places = st.tuples(
    st.ip_addresses().filter(lambda a: not (a.version == 6 and a.scope_id)).map(str),
    st.integers(1, 65535),
)
labels = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
listeners = st.builds(
    Listener,
    name=st.lists(labels, min_size=6, max_size=6).map(".".join),
    address=places.map(lambda place: place[0]),
    port=st.integers(1, 65535),
    endpoints=st.lists(places, min_size=1, max_size=5, unique=True).map(tuple),
    affinity_seconds=st.none(),
    affinity_entries=st.just(0),
)


@given(st.lists(listeners, max_size=4), st.none() | st.integers(1, 86400))
def test_what_is_written_for_haproxy_reads_back(
    given_listeners: list[Listener], seconds: int | None
):
    entries = 0 if seconds is None else 100
    some = [x._replace(affinity_seconds=seconds, affinity_entries=entries) for x in given_listeners]

    assert haproxy.parse(haproxy.write(some)) == tuple(some)


@given(
    st.lists(labels, min_size=1, max_size=4, unique=True),
    st.integers(0, 9),
    st.lists(places, max_size=3),
    st.booleans(),
)
def test_answers_to_health_checks_read_back(
    names: list[str], endpoints: int, some: list[tuple[str, int]], ipv6: bool
):
    addresses = tuple(address for address, _ in some)
    checks = tuple(
        haproxy.Check(f"health.default.{name}", 31000 + n, endpoints, addresses, ipv6)
        for n, name in enumerate(names)
    )

    assert haproxy.parse_checks(haproxy.write_checks(checks)) == checks


@given(st.lists(listeners, max_size=4), st.booleans())
def test_what_is_written_for_nginx_reads_back(given_listeners: list[Listener], sticky: bool):
    some = [x._replace(affinity_seconds=0 if sticky else None) for x in given_listeners]

    assert nginx.parse(nginx.write(some)) == tuple(some)


@pytest.mark.parametrize("name", ["a b", "a\nb", "a;b", "a{", "", "a..b", "$x", "a'b"])
@pytest.mark.parametrize("write", [haproxy.write, nginx.write])
def test_a_name_that_is_more_than_labels_gets_into_no_file(write, name: str):
    with pytest.raises(ValueError, match="not a name"):
        write([Listener(name, "10.0.0.1", 80, (("10.0.0.2", 80),))])


@pytest.mark.parametrize("address", ["10.0.0.1 id 3", "example.com", "10.0.0.1\n", "unix@/x"])
@pytest.mark.parametrize("write", [haproxy.write, nginx.write])
def test_an_endpoint_that_is_no_address_gets_into_no_file(write, address: str):
    with pytest.raises(ValueError, match="no address"):
        write([Listener("a.b", "10.0.0.1", 80, ((address, 80),))])


@pytest.mark.parametrize(
    "more", ["    option foo\n", "# mine\n", "listen x\n", "    \n", "\t\n", "    server a\n"]
)
def test_a_line_that_somebody_added_is_noticed(more: str):
    text = haproxy.write([Listener("a.b", "10.0.0.1", 80, (("10.0.0.2", 80),))])

    with pytest.raises(ValueError):  # noqa: PT011 - which of the reasons it is does not matter
        haproxy.parse(text + more)


def test_a_server_keeps_its_number_when_others_go():
    """HAProxy sends a client that it remembers to the server with that number."""
    all_of_them = tuple((f"10.0.0.{n}", 80) for n in range(1, 9))
    before = haproxy.write([Listener("a.b", "10.0.0.1", 80, all_of_them)]).splitlines()
    after = haproxy.write([Listener("a.b", "10.0.0.1", 80, all_of_them[3:])]).splitlines()

    assert [line for line in after if "server" in line] == [
        line for line in before if "server" in line
    ][3:]
