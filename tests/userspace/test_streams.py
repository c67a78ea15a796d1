"""Connections through HAProxy while it is reloaded, and past endpoints that don't answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from svcform.backends.proxy.userspace import USERSPACE
from svcform.model.endpoint import Endpoint, PortKey
from svcform.model.net import Family, Protocol, family_of
from svcform.model.service import NamespacedName, Service, ServicePort
from svcform.model.settings import Settings
from tests.flow import worlds
from tests.flow.arena import open_arena
from tests.flow.model import World
from tests.flow.under_test import NodeUnderTest, intent_of

pytestmark = pytest.mark.root
KEY = NamespacedName("test", "web")
VIP, VIP6 = "10.96.0.80", "fd00:96::80"
RELOADS = 15
_PYTHON = "/usr/bin/python3"
#: Each endpoint says its address, and then what it hears.
_SERVERS = """
import socketserver, threading, time
class Say(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(self.server.server_address[0].encode())
        while data := self.request.recv(100):
            self.request.sendall(data)
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    request_queue_size = 1000
class Server6(Server):
    address_family = socketserver.socket.AF_INET6
places = [(Server6, f"fd00:77::{n}") for n in range(1, 3)]
places += [(Server, f"127.1.0.{n}") for n in range(1, 6)]
for kind, address in places:
    server = kind((address, 8080), Say)
    threading.Thread(target=server.serve_forever, daemon=True).start()
time.sleep(600)
"""
_REACH = """
import socket, sys, os
def reach():
    made = socket.create_connection((sys.argv[1], 80), timeout=60)
    return made, made.recv(100).decode()
"""
_COUNT = _REACH + "print(*(reach()[1] or 'nobody' for _ in range(int(sys.argv[2]))))"
#: Connects until a file is there; one connection lasts all the time.
_STEADY = (
    _REACH
    + """
lasting, _ = reach()
open("/run/begun", "w").close()
count = 0
while not os.path.exists("/run/enough"):
    made, said = reach()
    assert said, "closed without an answer"
    made.close()
    count += 1
lasting.sendall(b"still here")
assert lasting.recv(100) == b"still here"
open("/run/count", "w").write(str(count))
"""
)
#: One connection that says something whenever it is asked to, until a file is there.
_LASTING = (
    _REACH
    + """
lasting, said = reach()
open("/run/begun", "w").write(said)
while not os.path.exists("/run/enough"):
    lasting.sendall(b"still here")
    assert lasting.recv(100) == b"still here"
open("/run/count", "w").write("1")
"""
)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeUnderTest]:
    with open_arena(tmp_path_factory.mktemp("streams"), worlds.NODE_ADDRESSES) as arena:
        if arena.exec("test", "-x", _PYTHON).returncode:
            pytest.skip("the node has no Python for endpoints and clients")
        background = f'{_PYTHON} -c "$1" >/run/said 2>&1 &'
        for number in (1, 2):
            arena.run("ip", "address", "add", f"fd00:77::{number}/128", "dev", "lo", "nodad")
        arena.run("sh", "-c", background, "sh", _SERVERS)
        arena.run("sh", "-c", "until ss -ltn | grep -q 127.1.0.5:8080; do sleep 0.1; done")
        yield NodeUnderTest(arena)


def world(*addresses: str) -> World:
    """A Service with these endpoints."""
    port = ServicePort(name="http", port=80)
    service = Service(key=KEY, cluster_ips=(VIP, VIP6), ip_families=tuple(Family), ports=(port,))
    settings = Settings(proxy_mode=USERSPACE.mode, node_ip=worlds.PRIMARY)
    found = {
        PortKey("http", Protocol.TCP, family): tuple(
            Endpoint(address, 8080) for address in addresses if family_of(address) is family
        )
        for family in Family
    }
    return World({KEY: service}, {KEY: found}, settings, worlds.NODE_ADDRESSES)


def reached(node: NodeUnderTest, times: int, vip: str = VIP) -> Counter[str]:
    """Whom so many connections reached, one after the other."""
    return Counter(node.arena.run(_PYTHON, "-c", _COUNT, vip, str(times)).split())


def test_endpoints_take_turns(node: NodeUnderTest):
    node.apply(intent_of(world("127.1.0.1", "127.1.0.2", "127.1.0.3")))

    assert set(reached(node, 12).values()) == {4}


def test_ipv6_is_carried_past_an_endpoint_that_is_silent(node: NodeUnderTest):
    node.apply(intent_of(world("127.1.0.1", "fd00:77::1", "fd00:77::2", "fd00:77::9")))

    assert reached(node, 9, VIP6).keys() == {"fd00:77::1", "fd00:77::2"}


@pytest.mark.parametrize("dead", ["127.1.0.9", "203.0.113.9"], ids=["refuses", "is silent"])
def test_an_endpoint_that_does_not_answer_costs_no_connection(node: NodeUnderTest, dead: str):
    node.apply(intent_of(world("127.1.0.1", "127.1.0.2", dead)))

    assert reached(node, 9).keys() == {"127.1.0.1", "127.1.0.2"}


def test_reloads_under_load_lose_no_connection_and_end_none(node: NodeUnderTest):
    node.apply(intent_of(world("127.1.0.1", "127.1.0.2")))
    begin(node, _STEADY)
    for number in range(RELOADS):
        node.apply(intent_of(world("127.1.0.1", f"127.1.0.{2 + number % 4}")))

    assert end(node) == ""
    assert int(node.arena.run("cat", "/run/count")) > RELOADS


def test_a_connection_outlives_its_endpoints_place_in_the_service(node: NodeUnderTest):
    """The old process of HAProxy keeps it, for as long as both ends want it."""
    node.apply(intent_of(world("127.1.0.1")))
    begin(node, _LASTING)
    for now in ("127.1.0.2", "127.1.0.3"):
        node.apply(intent_of(world(now)))
        assert reached(node, 2).keys() == {now}

    assert end(node) == ""
    assert node.arena.run("cat", "/run/begun") == "127.1.0.1"


def begin(node: NodeUnderTest, client: str) -> None:
    """Have the client run beside what follows, once it is connected."""
    node.arena.run("rm", "-f", "/run/begun", "/run/enough", "/run/count")
    background = f'{_PYTHON} -c "$1" {VIP} >/run/client 2>&1 &'
    node.arena.run("sh", "-c", background, "sh", client)
    node.arena.run("sh", "-c", "until [ -e /run/begun ]; do sleep 0.1; done")


def end(node: NodeUnderTest) -> str:
    """What the client complains of, when it has come to its end."""
    node.arena.run("touch", "/run/enough")
    waiting = "for n in $(seq 600); do [ ! -s /run/count ] || exit 0; sleep 0.1; done"
    node.arena.run("sh", "-c", waiting)
    return node.arena.run("cat", "/run/client")
