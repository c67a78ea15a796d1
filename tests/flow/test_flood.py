"""No new flow is lost while the endpoints of its Service come and go."""

from __future__ import annotations

import contextlib
import itertools
import shlex
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from svcform.backends.contract import Backend
from svcform.model.endpoint import Endpoint, PortKey
from svcform.model.net import Family, Protocol
from svcform.model.service import NamespacedName, Service, ServicePort
from svcform.model.settings import ProxyMode, Settings
from svcform.plan.order import join_programs
from svcform.policy.intent import Intent
from tests.flow import worlds
from tests.flow.arena import Arena, Flow, Kind
from tests.flow.flood import ROUND, arrived, counted, open_flood
from tests.flow.model import World
from tests.flow.nodes import Nodes, kind_for, open_nodes
from tests.flow.under_test import NodeUnderTest, Pending, intent_of, proxies

pytestmark = pytest.mark.root

#: What is lost where a packet meets a commit shows in millions of flows only.  The mode that asks
#: two maps for one packet has many; the others show the test's own honesty.
MANY, FEW = 4_000_000, 300_000
MODE_WITH_MANY = ProxyMode.NFTABLES
KEY = NamespacedName("test", "dns")
PORT = 53
PROTOCOLS = (Protocol.UDP, Protocol.TCP)
CLUSTER_IPS = {Family.IPV4: "10.96.0.53", Family.IPV6: "fd00:96::53"}
ENDPOINTS = {
    family: [(pattern.format(n), 5353) for n in range(10, 50)]
    for family, pattern in worlds.PODS_THERE.items()
}
_PATIENCE = 600.0
_GUEST_ROUND, _GUEST_CHANGES = 200, 4
#: Carries out one program after the other until told to stop, and leaves a line for each.
_CHANGE = r"""
cd "$1" || exit 1
{
  while [ ! -e stop ]; do
    for change in shrink grow; do
      sh ./$change || { echo failed >ended; exit; }
      echo >>done
    done
  done
  echo stopped >ended
} >said 2>&1 </dev/null &
"""
#: A proxy's own sockets would be full of so many flows: it is loaded in ``tests/userspace``.
FORWARDING = [each for each in proxies() if each.mode and not each.mode.terminates]
GUESTS = [each for each in FORWARDING if kind_for(each) is Kind.GUEST]

by_backend = pytest.mark.parametrize(
    "backend",
    [each for each in FORWARDING if each not in GUESTS],
    ids=lambda backend: backend.name,
)
PAIRS = list(itertools.combinations(FORWARDING, 2))
by_pair = pytest.mark.parametrize(
    ("backend", "other"),
    [pair for pair in PAIRS if not {*pair} & {*GUESTS}],
    ids=lambda backend: backend.name,
)
by_pair_on_guest = pytest.mark.parametrize(
    ("backend", "other"),
    [pair for pair in PAIRS if {*pair} & {*GUESTS}],
    ids=lambda backend: backend.name,
)
by_guest = pytest.mark.parametrize("backend", GUESTS, ids=lambda backend: backend.name)


@pytest.fixture(scope="module")
def nodes(request: pytest.FixtureRequest) -> Iterator[Nodes]:
    with open_nodes(request, worlds.NODE_ADDRESSES) as opened:
        yield opened


@pytest.fixture
def node(nodes: Nodes, backend: Backend) -> NodeUnderTest:
    return nodes.of(backend)


def world(backend: Backend, count: int) -> World:
    """One Service of UDP and TCP in both families, with so many endpoints."""
    assert backend.mode is not None
    service = Service(
        key=KEY,
        cluster_ips=tuple(CLUSTER_IPS.values()),
        ip_families=tuple(CLUSTER_IPS),
        ports=tuple(ServicePort(name=p.value, port=PORT, protocol=p) for p in PROTOCOLS),
    )
    found = {
        PortKey(protocol.value, protocol, family): tuple(
            itertools.starmap(Endpoint, places[:count])
        )
        for family, places in ENDPOINTS.items()
        for protocol in PROTOCOLS
    }
    settings = Settings(proxy_mode=backend.mode, node_ip=worlds.PRIMARY, node_name=worlds.HERE)
    return World({KEY: service}, {KEY: found}, settings, worlds.NODE_ADDRESSES)


@dataclass(frozen=True, slots=True)
class _Changes:
    """The changes under way."""

    folder: Path

    @property
    def count(self) -> int:
        """How many there have been."""
        assert not (self.folder / "ended").exists(), (self.folder / "said").read_text()
        return len((self.folder / "done").read_bytes())

    def end(self) -> None:
        """Let the last one end: all endpoints are there again."""
        (self.folder / "stop").touch()
        ended, limit = self.folder / "ended", time.monotonic() + 60
        while not ended.exists() or not ended.read_text():
            assert time.monotonic() < limit, (self.folder / "said").read_text()
            time.sleep(0.05)
        assert ended.read_text() == "stopped\n", (self.folder / "said").read_text()


@contextlib.contextmanager
def changing(
    arena: Arena, shrink: Sequence[Pending], grow: Sequence[Pending]
) -> Iterator[_Changes]:
    """Carry two programs out on the node in turn, without end."""
    inside = "var/tmp/changes"
    folder = arena.disk / inside
    folder.mkdir()
    for name, pending in (("shrink", shrink), ("grow", grow)):
        steps = join_programs([each.program for each in pending]).steps
        lines = []
        for number, step in enumerate(steps):
            (folder / f"{name}.{number}").write_bytes(step.stdin)
            lines.append(f"{shlex.join(step.command)} <{name}.{number} || exit 1\n")
        (folder / name).write_text("".join(lines))
    (folder / "done").touch()
    arena.run("sh", "-c", _CHANGE, "changing", f"/{inside}")
    under_way = _Changes(folder)
    try:
        yield under_way
        under_way.end()
        shutil.rmtree(folder)
    finally:
        if folder.exists():
            (folder / "stop").touch()
            folder.rename(folder.with_name("changes-that-failed"))


@dataclass(frozen=True, slots=True)
class Wanted:
    """How many new flows there are to be, how many changes, and between how many endpoints."""

    flows: int
    changes: int
    few: int
    many: int


def lost(node: NodeUnderTest, backend: Backend, wanted: Wanted) -> int:
    """How many new flows reach no endpoint while an endpoint list shrinks and grows."""
    few, many = (intent_of(world(backend, count)) for count in (wanted.few, wanted.many))
    return _lost_between(node, few, many, wanted)


def _lost_between(node: NodeUnderTest, few: Intent, many: Intent, wanted: Wanted) -> int:
    node.apply(many)
    shrink, grow = node.apply(few), node.apply(many)
    places = [place for found in ENDPOINTS.values() for place in found[: wanted.many]]
    with counted(node.arena, places), changing(node.arena, shrink, grow) as under_way:
        sent = _flood(node.arena, wanted, under_way)
        under_way.end()
        found = arrived(node.arena)
    assert min(found.values()) > 0, "The list never grew."
    assert node.changes_left(many) == {}
    return sent - sum(found.values())


def _flood(arena: Arena, wanted: Wanted, under_way: _Changes) -> int:
    """Send while there are changes, neither much ahead of the other; how many flows it was."""
    room = int(arena.run("sysctl", "-n", "net.netfilter.nf_conntrack_max")) // 2
    sent, known, limit = 0, 0, time.monotonic() + _PATIENCE
    with contextlib.ExitStack() as stack:
        to_all = [stack.enter_context(open_flood(arena, a, PORT)) for a in CLUSTER_IPS.values()]
        for flood in itertools.cycle(to_all):
            if known + ROUND > room:
                arena.run("conntrack", "-F")
                known = 0
            number = flood.round()
            sent, known = sent + number, known + number
            while (changes := under_way.count) / wanted.changes < sent / wanted.flows < 1:
                assert time.monotonic() < limit, f"{sent} flows, {changes} changes"
                time.sleep(0.005)
            if sent >= wanted.flows and changes >= wanted.changes:
                return sent
    raise AssertionError


@by_backend
def test_no_new_flow_is_lost_while_ten_endpoints_become_five_and_ten_again(
    node: NodeUnderTest, backend: Backend
):
    wanted = Wanted(flows=FEW, changes=50, few=5, many=10)
    if backend.mode is MODE_WITH_MANY:
        wanted = Wanted(flows=MANY, changes=1000, few=5, many=10)

    assert lost(node, backend, wanted) == 0


@by_backend
def test_no_new_flow_is_lost_while_a_long_list_becomes_another_length(
    node: NodeUnderTest, backend: Backend
):
    assert lost(node, backend, Wanted(flows=FEW, changes=50, few=20, many=40)) == 0


@by_pair
def test_no_new_flow_is_lost_while_the_mode_becomes_another_and_back(
    nodes: Nodes, backend: Backend, other: Backend
):
    wanted = Wanted(flows=FEW, changes=60, few=10, many=10)
    node = nodes.of_both(backend, other)
    one, another = (intent_of(world(each, wanted.many)) for each in (other, backend))

    assert _lost_between(node, one, another, wanted) == 0
    node.apply(intent_of(world(backend, wanted.many), absent=True))


@by_guest
def test_no_new_flow_to_a_guest_is_lost_while_endpoints_come_and_go(
    node: NodeUnderTest, backend: Backend
):
    few, many = (intent_of(world(backend, count)) for count in (5, 10))
    _none_lost_between(node, few, many)


@by_pair_on_guest
def test_no_new_flow_to_a_guest_is_lost_while_the_mode_becomes_another_and_back(
    nodes: Nodes, backend: Backend, other: Backend
):
    node = nodes.of_both(backend, other)
    one, another = (intent_of(world(each, 10)) for each in (other, backend))

    _none_lost_between(node, one, another)
    node.apply(intent_of(world(backend, 10), absent=True))


def _none_lost_between(node: NodeUnderTest, few: Intent, many: Intent) -> None:
    """A guest is too slow for a flood: a client for each millisecond, and a few changes."""
    node.apply(many)
    shrink, grow = node.apply(few), node.apply(many)
    clients = [
        Flow(worlds.OUTSIDE[family][0], address, PORT, protocol)
        for family, address in CLUSTER_IPS.items()
        for protocol in PROTOCOLS
    ]
    flows = clients * (_GUEST_ROUND // len(clients))
    verdicts: Counter[str] = Counter()
    reached: set[tuple[str, int]] = set()
    with changing(node.arena, shrink, grow) as under_way:
        while under_way.count < _GUEST_CHANGES:
            seen = node.arena.send(flows)
            verdicts.update(each.verdict for each in seen)
            reached |= {(each.address, each.port) for each in seen}
    assert verdicts.keys() == {"delivered"}, verdicts
    assert reached == {place for found in ENDPOINTS.values() for place in found[:10]}
    assert node.changes_left(many) == {}
