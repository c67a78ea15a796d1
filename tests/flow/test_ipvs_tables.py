"""The tables of IPVS mode on a kernel: what leaves them and when, and what others did to them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import product

import pytest

from svcform.backends.proxy.ipvs import IPVS
from svcform.model.endpoint import Endpoint, PortKey
from svcform.model.net import Family, Protocol
from svcform.model.service import NamespacedName, Service, ServicePort
from svcform.model.settings import ProxyMode, Settings
from tests.flow import worlds
from tests.flow.arena import Arena, Flow
from tests.flow.model import World
from tests.flow.nodes import clear
from tests.flow.under_test import NodeUnderTest, intent_of

pytestmark = pytest.mark.root
PORT = 80
VIPS = {Family.IPV4: "10.96.0.{}", Family.IPV6: "fd00:96::{}"}
ENDPOINTS = {Family.IPV4: "10.244.2.{}", Family.IPV6: "fd00:244:2::{}"}
#: Among them all that svcform tells its own by: an address, a mark, a server at weight 0 or none.
#: One is 0x80001000: ipvsadm (1.31) saves a mark as a number with a sign.  The last two marks are
#: among svcform's, but have no number, or a flag.
FOREIGN = """\
-A -t 192.0.2.250:443 -s mh -p 300 -b mh-fallback
-a -t 192.0.2.250:443 -r 172.31.0.9:443 -g -w 3
-a -t 192.0.2.250:443 -r 172.31.0.10:443 -g -w 0
-A -t [2001:db8::250]:443 -s wlc
-A -f 77 -s sh -b sh-port
-a -f 77 -r 172.31.0.11:0 -m -w 0
-A -f -2147479552 -s rr
-A -f 1000 -6 -s sh
-a -f 1000 -6 -r [2001:db8::9]:0 -g -w 1
-A -u 192.0.2.250:53 -s rr
-A -f 1073741825 -s lc
-a -f 1073741825 -r 172.31.0.12:80 -m -w 1
-A -f 1342177282 -s lc
"""


@pytest.fixture(scope="module")
def node(guest: NodeUnderTest) -> Iterator[NodeUnderTest]:
    clear(guest, worlds.NODE_ADDRESSES)
    guest.arena.run("modprobe", "ip_vs")
    guest.arena.run("ipvsadm", "-R", given=FOREIGN.replace("-2147479552", "2147487744").encode())
    yield guest
    clear(guest, worlds.NODE_ADDRESSES)


def world(schedulers: Sequence[str], endpoints: Sequence[int]) -> World:
    """A Service for each scheduler, which have the same endpoints; ``""`` is for a sticky one."""
    services, behind = {}, {}
    for number, scheduler in enumerate(schedulers, start=1):
        key = NamespacedName("test", f"service-{number}")
        services[key] = Service(
            key=key,
            cluster_ips=tuple(vip.format(number) for vip in VIPS.values()),
            ip_families=tuple(VIPS),
            ports=(ServicePort(name="http", port=PORT),),
            affinity_seconds=None if scheduler else 600,
            annotations=(("svcform.io/ipvs-scheduler", scheduler),) if scheduler else (),
        )
        found = {
            PortKey("http", Protocol.TCP, family): tuple(
                Endpoint(pattern.format(each), 8080) for each in endpoints
            )
            for family, pattern in ENDPOINTS.items()
        }
        behind[key] = found
    settings = Settings(proxy_mode=ProxyMode.IPVS, service_cidrs=worlds.SERVICE_CIDRS)
    return World(services, behind, settings, worlds.NODE_ADDRESSES)


def reached(arena: Arena, number: int, clients: range) -> set[str]:
    """Where clients' connections to a Service go, or what becomes of them."""
    flows = [
        Flow(client.format(n), vip.format(number), PORT)
        for (family, vip), n in product(VIPS.items(), clients)
        for client in ({Family.IPV4: "203.0.113.{}", Family.IPV6: "2001:db8:113::{:x}"}[family],)
    ]
    return {each.address or each.verdict for each in arena.send(flows)}


def at(endpoints: Sequence[int]) -> set[str]:
    return {pattern.format(n) for pattern in ENDPOINTS.values() for n in endpoints}


def tables(arena: Arena) -> str:
    """All virtual servers, sets, and rules of routing, whosever they are."""
    text = arena.run("sh", "-ec", "ipvsadm -S -n; ipset save; ip rule; ip -6 rule")
    return "\n".join(
        sorted(re.sub(r" (initval|hashsize) \S+", "", line) for line in text.splitlines())
    )


def servers_at_rest(arena: Arena) -> list[str]:
    return [
        line
        for line in arena.run("ipvsadm", "-S", "-n").splitlines()
        if line.endswith(" -w 0") and line not in FOREIGN
    ]


def assert_foreign_is_there(arena: Arena) -> None:
    listed = arena.run("ipvsadm", "-S", "-n").splitlines()
    assert [line for line in FOREIGN.splitlines() if line not in listed] == []


def test_what_has_no_connections_goes_at_once(node: NodeUnderTest):
    """Whether few virtual services are asked for, or all are listed."""

    def apply(schedulers: Sequence[str], endpoints: Sequence[int]) -> str:
        node.apply(intent_of(world(schedulers, endpoints)))
        assert servers_at_rest(node.arena) == []
        return tables(node.arena)

    nothing = apply([], ())
    many = apply(["rr", "rr", "rr", "rr", ""], (5, 6))

    assert "10.244.2.5" in many
    assert "10.244.2.5" not in apply(["rr", "rr", "rr", "rr", ""], (6,))
    assert "10.244.2.6" not in apply(["rr"], (7,))
    assert apply([], ()) == nothing
    assert_foreign_is_there(node.arena)


def test_what_somebody_did_to_virtual_services_is_seen_and_taken_back(node: NodeUnderTest):
    wanted = intent_of(world(("sh", "mh", "rr", ""), (5, 6)))
    node.apply(wanted)
    before = tables(node.arena)
    hashed, even, plain = (_marked(before, name) for name in ("sh", "mh", "rr"))
    by_hand = (
        f"-E {hashed} -s sh -b sh-fallback,sh-port\n"
        f"-E {even} -s mh\n"
        f"-E {plain} -s rr -o\n"
        f"-e {plain} -r 10.244.2.5:8080 -m -w 7\n"
        f"-d {even} -r 10.244.2.5:8080\n"
        "-E -t 10.96.0.4:80 -s rr -p 600 -M 255.255.255.0\n"
        "-E -t [fd00:96::4]:80 -s rr -p 600 -M 64\n"
    )
    node.arena.run("ipvsadm", "-R", given=by_hand.encode())

    assert len(node.changes_left(wanted)["ipvs"]) == 5

    node.apply(wanted)

    assert tables(node.arena) == before


def test_neither_steps_nor_a_checkpoint_mind_what_others_did_meanwhile(node: NodeUnderTest):
    """A server that was leaving may be gone, or be back; and all goes back to what it was."""
    run, checkpoint = node.arena.run, IPVS.checkpoint()
    node.apply(intent_of(world(("sh", "mh", "rr", ""), (5, 6))))
    run("mkdir", "-p", "/var/tmp/checkpoint")
    run("sh", "-c", checkpoint.save, "sh", "/var/tmp/checkpoint")
    before = tables(node.arena)
    wanted = intent_of(world(("rr", "sh", "", "", "mh"), (6, 7)))
    pending = node.plan(wanted)
    marked = _marked(before, "rr")
    by_hand = (
        f"-d {marked} -r 10.244.2.5:8080\n-d -t [fd00:96::4]:80 -r [fd00:244:2::5]:8080\n"
        "-a -t [fd00:96::4]:80 -r [fd00:244:2::7]:8080 -m -w 0\n"
    )
    run("ipvsadm", "-R", given=by_hand.encode())

    node.run(pending)

    assert node.changes_left(wanted) == {}

    run("ipset", "del", "SVCFORM-6-CLUSTER-IPS", "fd00:96::3")
    run("ipset", "add", "SVCFORM-4-FRONTENDS", "10.96.0.99,tcp:1", "skbmark", "0x40000020")
    for _ in range(2):
        run("sh", "-c", checkpoint.restore, "sh", "/var/tmp/checkpoint")

        assert tables(node.arena) == before
    assert_foreign_is_there(node.arena)


def test_a_server_that_is_leaving_gets_nobody_whatever_the_scheduler(node: NodeUnderTest):
    """Those that hash clients would go on sending some there, to be refused.

    It is the last test: its connections end when they please.
    """
    schedulers = ("sh", "mh", "dh", "rr", "")
    numbers = range(1, len(schedulers) + 1)
    node.apply(intent_of(world(schedulers, (5, 6))))
    for number in numbers:
        reached(node.arena, number, range(10, 30))

    node.apply(intent_of(world(schedulers, (6,))))

    assert servers_at_rest(node.arena) != [], "their connections are there"
    for number in numbers:
        assert reached(node.arena, number, range(30, 50)) == at((6,)), schedulers[number - 1]
    assert node.changes_left(intent_of(world(schedulers, (6,)))) == {}

    node.apply(intent_of(world(schedulers, (5, 6))))

    assert servers_at_rest(node.arena) == []


def _marked(saved: str, scheduler: str) -> str:
    """The virtual service with a mark, of IPv4, that has a scheduler: as ipvsadm takes it."""
    found = re.search(rf"^-A (-f [12][0-9]{{9}}) -s {scheduler}", saved, re.MULTILINE)
    assert found is not None
    return found[1]
