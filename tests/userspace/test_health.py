"""``healthCheckNodePort`` is answered by a HAProxy of svcform's own, in every mode."""

from __future__ import annotations

import dataclasses
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from svcform.backends.contract import Backend
from svcform.backends.proxy.userspace import HEALTH, USERSPACE
from svcform.lab import kernel
from svcform.model.endpoint import Endpoint, PortKey
from svcform.model.net import Family, Protocol
from svcform.model.service import (
    NamespacedName,
    Service,
    ServicePort,
    ServiceType,
    TrafficPolicy,
)
from svcform.model.settings import Settings
from tests.flow import worlds
from tests.flow.arena import Kind
from tests.flow.model import World
from tests.flow.nodes import open_nodes
from tests.flow.under_test import NodeUnderTest, intent_of, kind_for, proxies, subjects

pytestmark = pytest.mark.root
PORT = 31000
_MAIN_FILE = ("file", "/etc/svcform/health/health.cfg")
#: Status, two headers, body.
_ASK = ("curl", "-s", "-i", "-m", "10")


@pytest.fixture(scope="module")
def nodes(request: pytest.FixtureRequest):
    with open_nodes(request, worlds.NODE_ADDRESSES) as nodes:
        yield nodes


@pytest.fixture
def node(nodes, backend: Backend) -> Iterator[NodeUnderTest]:
    """A node that runs nothing yet, as a mode needs it."""
    arena = nodes.of(backend).arena
    node = NodeUnderTest(arena, subjects=[*subjects(), HEALTH])
    yield node
    node.apply(intent_of(world(backend), absent=True))
    assert arena.run("sh", "-c", "ls -d /etc/svcform/health /run/svcform-health* || :") == ""


def world(backend: Backend, here: int = 1, *names: str, **settings: object) -> World:
    """Services, each with so many of three endpoints on the node."""
    port = ServicePort(name="http", port=80)
    services, endpoints = {}, {}
    for number, name in enumerate(names or ("web",)):
        key = NamespacedName("test", name)
        services[key] = Service(
            key=key,
            type=ServiceType.LOAD_BALANCER,
            cluster_ips=(f"10.96.0.{80 + number}",),
            ip_families=(Family.IPV4,),
            ports=(port,),
            external_traffic_policy=TrafficPolicy.LOCAL,
            health_check_node_port=PORT + number,
        )
        behind = tuple(
            Endpoint(f"10.244.2.{n}", 8080, node=worlds.HERE if n < here else worlds.THERE)
            for n in range(3)
        )
        endpoints[key] = {PortKey("http", Protocol.TCP, Family.IPV4): behind}
    base = Settings(proxy_mode=backend.mode, node_ip=worlds.PRIMARY, node_name=worlds.HERE)
    return World(services, endpoints, dataclasses.replace(base, **settings), worlds.NODE_ADDRESSES)


def ask(node: NodeUnderTest, address: str = "192.168.0.2", port: int = PORT) -> list[str]:
    """The lines of the whole answer to a load balancer; empty where there is none."""
    said = node.arena.exec(*_ASK, f"http://{address}:{port}/").stdout
    return said.decode().splitlines()


@pytest.mark.parametrize("backend", proxies(), ids=lambda backend: backend.name)
def test_a_health_check_is_answered_as_kube_proxy_does(node: NodeUnderTest, backend: Backend):
    for here, status in ((2, "200 OK"), (0, "503 Service Unavailable")):
        intent = intent_of(world(backend, here))

        node.apply(intent)

        for address in ("192.168.0.2", "[fd00::2]"):
            said = ask(node, address)
            assert said[0] == f"HTTP/1.1 {status}"
            assert "content-type: application/json" in said
            assert f"x-load-balancing-endpoint-weight: {here}" in map(str.lower, said)
            assert json.loads(said[-1]) == {
                "service": {"namespace": "test", "name": "web"},
                "localEndpoints": here,
                "serviceProxyHealthy": True,
            }
        assert node.changes_left(intent) == {}


def test_a_change_of_mode_leaves_no_load_balancer_without_an_answer(nodes):
    """Asked all the time while a node goes through all modes that its kernel has."""
    modes = [backend for backend in proxies() if kind_for(backend) is Kind.NAMESPACE]
    node = NodeUnderTest(nodes.of(modes[0]).arena, subjects=[*subjects(), HEALTH])
    run = node.arena.run
    node.apply(intent_of(world(modes[0])))
    run("sh", "-c", _KEEP_ASKING)
    for backend in (*modes[1:], *modes):
        done = node.apply(intent_of(world(backend)))
        (health,) = (each.changes for each in done if each.backend is HEALTH)
        assert [change.address.path for change in health] in ([], [_MAIN_FILE])
    run("touch", "/run/enough")
    run("sh", "-c", "for n in $(seq 600); do [ ! -s /run/end ] || break; sleep 0.1; done")
    count = run("cat", "/run/end")

    assert run("sort", "-u", "/run/answers").split() == ["200"], count
    assert int(count) > 20
    node.apply(intent_of(world(modes[0]), absent=True))


_KEEP_ASKING = f"""
rm -f /run/enough /run/end /run/answers
(
	count=0
	while [ ! -e /run/enough ]; do
		curl -s -o /dev/null -m 10 -w '%{{http_code}}\\n' http://192.168.0.2:{PORT}/ >>/run/answers
		count=$((count + 1))
	done
	echo $count >/run/end
) >/dev/null 2>&1 </dev/null &
"""


def test_who_asks_while_the_answers_change_is_answered(nodes):
    """The worker that has taken the connection answers it, while the next one serves by now."""
    node = NodeUnderTest(nodes.of(USERSPACE).arena, subjects=[*subjects(), HEALTH])
    node.apply(intent_of(world(USERSPACE)))
    network = Path(f"/proc/{node.arena.node.pid}/ns/net")
    with network.open("rb") as opened, kernel.inside(opened.fileno()):
        asked = socket.create_connection(("192.168.0.2", PORT), timeout=60)

    with asked:
        asked.sendall(b"GET / HTTP/1.1\r\n")
        node.apply(intent_of(world(NAMESPACE_MODE)))
        asked.sendall(b"Host: here\r\n\r\n")
        said = asked.recv(4096).decode()

    assert said.partition("\r")[0] == "HTTP/1.1 200 OK"
    node.apply(intent_of(world(NAMESPACE_MODE), absent=True))


def test_a_node_whose_proxies_are_dead_or_hang_says_so_and_gets_no_traffic(nodes):
    """As kube-proxy does while it can't carry traffic; another mode has no proxies to wait for."""
    node = NodeUnderTest(nodes.of(USERSPACE).arena, subjects=[*subjects(), HEALTH])
    intent = intent_of(world(USERSPACE, 2))
    node.apply(intent)
    for signal in ("KILL", "STOP"):
        node.arena.run("sh", "-c", _SIGNAL.format(signal=signal))

        assert until(node, "HTTP/1.1 503 Service Unavailable")["serviceProxyHealthy"] is False
        assert until(node, "HTTP/1.1 503 Service Unavailable")["localEndpoints"] == 2

        node.arena.run("sh", "-c", _SIGNAL.format(signal="KILL"))
        node.apply(intent)
        assert until(node, "HTTP/1.1 200 OK")["serviceProxyHealthy"] is True

    node.apply(intent_of(world(NAMESPACE_MODE, 2)))
    time.sleep(5)  # as long as it takes to find somebody dead
    assert until(node, "HTTP/1.1 200 OK")["serviceProxyHealthy"] is True
    node.apply(intent_of(world(NAMESPACE_MODE), absent=True))


#: To all processes of the instance that carries traffic.
_SIGNAL = """
for file in $(grep -ls etc/svcform/haproxy/haproxy.cfg /proc/[0-9]*/cmdline); do
	pid=${{file#/proc/}} && pid=${{pid%/*}}
	[ "$(cat /proc/$pid/comm)" != haproxy ] || kill -{signal} $pid
done
"""


def until(node: NodeUnderTest, status: str) -> dict[str, object]:
    """What it says, when it says this."""
    limit = time.monotonic() + 60
    while (said := ask(node))[:1] != [status]:
        assert time.monotonic() < limit, said
        time.sleep(0.2)
    answer: dict[str, object] = json.loads(said[-1])
    return answer


NAMESPACE_MODE = next(b for b in proxies() if kind_for(b) is Kind.NAMESPACE)
on_one_mode = pytest.mark.parametrize("backend", [NAMESPACE_MODE], ids=lambda each: each.name)


@on_one_mode
def test_a_port_that_somebody_has_is_answered_when_they_leave(node: NodeUnderTest, backend):
    run, intent = node.arena.run, intent_of(world(backend, 1, "a", "b"))
    holder = run("sh", "-c", _HOLD.format(port=PORT + 1)).strip()
    node.apply(intent)

    assert ask(node)[0] == "HTTP/1.1 200 OK"
    assert ask(node, "192.168.99.11") == [], "node ports are not there"
    assert ask(node, port=PORT + 1) == []
    assert node.changes_left(intent) == {}

    run("kill", holder)
    gone = f"for n in $(seq 600); do ss -H -lnt | grep -q :{PORT + 1} || exit 0; sleep 0.1; done"
    run("sh", "-c", gone)
    node.facts = None
    node.apply(intent)

    assert ask(node, port=PORT + 1)[0] == "HTTP/1.1 200 OK"


_HOLD = """
haproxy=$(mktemp) && cat >"$haproxy" <<end
frontend somebody
	mode http
	timeout client 5s
	bind 127.0.0.1:{port}
end
haproxy -db -q -f "$haproxy" >/dev/null 2>&1 </dev/null &
echo $!
for n in $(seq 600); do ! ss -H -lnt | grep -q :{port} || exit 0; sleep 0.1; done
"""


@on_one_mode
def test_who_is_killed_or_changed_by_hand_is_missed_and_put_back(node: NodeUnderTest, backend):
    run, saved = node.arena.run, HEALTH.checkpoint()
    intent, other = (intent_of(world(backend, 1, *names)) for names in (("a", "b"), ("a",)))

    def left() -> list[tuple[str, ...]]:
        return [c.address.path for c in node.changes_left(intent).get("health", ())]

    def put_back() -> None:
        run("env", "SVCFORM_BOOT=late", "sh", "-c", saved.restore, "sh", "/run/saved")

    node.apply(intent)
    run("mkdir", "-p", "/run/saved")
    run("sh", "-c", saved.save, "sh", "/run/saved", "")
    node.apply(other)
    assert ask(node, port=PORT + 1) == []

    put_back()
    assert left() == []
    assert ask(node, port=PORT + 1)[0] == "HTTP/1.1 200 OK"

    run("sh", "-c", _KILL)
    assert left() == [("service", "svcform-health")]

    put_back()
    assert left() == []

    run("sh", "-c", "echo '# mine' >>/etc/svcform/health/services/test.a.cfg")
    assert ("check", "test/a") in left()

    node.apply(intent)
    assert left() == []


_KILL = """
kill -9 $(ps -e -o pid=,comm= | awk '$2 == "haproxy" { print $1; exit }')
for n in $(seq 600); do ps -e -o comm= | grep -q haproxy || exit 0; sleep 0.1; done
"""
