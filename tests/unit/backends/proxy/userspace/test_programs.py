"""What a node has to run proxies with, and who is in their way."""

from __future__ import annotations

import dataclasses
import subprocess

import pytest

from svcform.backends.contract import Reading, Status
from svcform.backends.proxy.userspace import HEALTH, USERSPACE
from svcform.backends.proxy.userspace.scripts import SCRIPTS
from svcform.engine.assume import assume
from svcform.model.facts import Facts, ForeignSocket
from svcform.model.net import Protocol
from svcform.model.node import Connection, Node
from svcform.model.settings import ProxyMode, Settings
from svcform.policy.intent import Intent
from svcform.policy.proxied import sockets
from tests.bench.bench_iptables import intent_of, services
from tests.unit.backends.proxy.userspace.test_health import intent as asked

SAID = """\
tool\thaproxy\t2.6.12
tool\tnginx\t1.22.1
tool\tnginx-stream
open-files\t4096
tool\tbash
socket\ttcp LISTEN 0 100 127.0.0.1:34403 0.0.0.0:* users:(("python 3",pid=21465,fd=35))
socket\tudp UNCONN 0 0 0.0.0.0%eth0:68 0.0.0.0:*
socket\ttcp LISTEN 0 4096 *:9100 *:* users:(("node_exporter",pid=7,fd=3),("x",pid=8,fd=3))
socket\ttcp LISTEN 0 128 [fe80::1]%eth0:53 [::]:*
socket\tsctp LISTEN 0 128 [::]:53 [::]:*
socket\ttcp LISTEN 0 128 what:ever
"""


def told(said: str) -> Facts:
    readings = {"userspace.files": Reading(status=Status.READ, output=said.encode())}
    return USERSPACE.tell(readings, Facts(os_release={"ID": "debian"}))


FACTS = told(SAID)


def intent(count: int) -> Intent:
    plain = intent_of(services(count, dense=True))
    settings = dataclasses.replace(plain.settings, proxy_mode=ProxyMode.USERSPACE)
    return dataclasses.replace(plain, settings=settings)


def found(facts: Facts, count: int = 3) -> list[tuple[str, str]]:
    return [(d.code, d.detail) for d in USERSPACE.caveats({}, facts, intent(count))]


@pytest.mark.parametrize(
    ("options", "has_stream"),
    [("--with-stream", True), ("--with-stream --user=x", True), ("--with-stream=dynamic", False)],
)
def test_an_nginx_tells_whether_its_stream_module_is_built_in(options: str, has_stream: bool):
    stubs = f"nginx() {{ echo 'configure arguments: {options}'; }}; ls() {{ return 1; }}\n"
    look = SCRIPTS[USERSPACE.name].look
    said = subprocess.run(["sh", "-c", stubs + look], capture_output=True, text=True, check=True)

    assert ("tool\tnginx-stream" in said.stdout.splitlines()) is has_stream


def test_a_node_tells_its_programs_and_foreign_sockets():
    assert FACTS.tools == {
        "haproxy": "2.6.12",
        "nginx": "1.22.1",
        "nginx-stream": "present",
        "bash": "present",
    }
    assert FACTS.open_files == 4096
    assert set(FACTS.foreign_sockets) == {
        ForeignSocket(Protocol.TCP, "127.0.0.1", 34403, "python 3 (process 21465)"),
        ForeignSocket(Protocol.UDP, "0.0.0.0", 68, "an unknown process"),
        ForeignSocket(Protocol.TCP, "", 9100, "node_exporter (process 7)"),
        ForeignSocket(Protocol.TCP, "fe80::1", 53, "an unknown process"),
    }


def test_a_node_with_all_that_is_needed_has_no_caveat():
    assert found(FACTS) == []


def test_a_node_that_nobody_asked_has_all_that_is_needed():
    """``svcform render`` writes programs of userspace mode, too."""
    settings = Settings(proxy_mode=ProxyMode.USERSPACE)
    node = Node(name="n", connection=Connection(host="192.0.2.1"), settings=settings, plays=(0,))
    facts = assume(node).observation.facts

    assert found(facts) == []
    assert HEALTH.express(asked("web"), facts).diagnostics == ()


@pytest.mark.parametrize(
    ("line", "code", "reason"),
    [
        ("tool\thaproxy\t2.6.12", "SVC472", "it has no haproxy. Install it on the node: apt-get"),
        ("tool\tbash", "SVC473", "neither bash nor nc"),
    ],
)
def test_what_a_node_lacks_is_said(line: str, code: str, reason: str):
    ((said, detail),) = found(told(SAID.replace(f"{line}\n", "")))

    assert said == code
    assert reason in detail


def test_an_haproxy_that_is_too_old_is_refused():
    ((code, detail),) = found(told(SAID.replace("2.6.12", "1.8.27")))

    assert code == "SVC472"
    assert "HAProxy 1.8.27 is older than 2.2" in detail


def with_socket(address: str, port: int, process: str = "daemon (process 9)") -> Facts:
    held = ForeignSocket(Protocol.TCP, address, port, process)
    return dataclasses.replace(FACTS, foreign_sockets=(*FACTS.foreign_sockets, held))


@pytest.mark.parametrize(
    ("address", "is_in_the_way"),
    [("", True), ("0.0.0.0", True), ("::", True), ("127.0.0.1", False), ("192.0.2.1", False)],
)
def test_who_has_a_proxys_port_is_said_by_name(address: str, *, is_in_the_way: bool):
    socket = sockets(intent(3))[0].sockets[1]
    said = found(with_socket(address, socket.place.port))

    assert [code for code, _ in said] == ["SVC476"] * is_in_the_way
    if is_in_the_way:
        assert f"daemon (process 9) has {address or '*'} port {socket.place.port}/TCP" in said[0][1]
        assert f"the proxy of {socket.port.name} is to listen" in said[0][1]


@pytest.mark.parametrize(("process", "codes"), [("haproxy", []), ("haproxy-x", ["SVC476"])])
def test_what_is_left_of_a_server_that_was_killed_is_not_in_its_own_way(
    process: str, codes: list[str]
):
    """Workers of nginx outlive their master, with all its sockets, until the next one starts."""
    place = sockets(intent(3))[0].sockets[1].place

    said = found(with_socket(place.address, place.port, f"{process} (process 9)"))

    assert [code for code, _ in said] == codes


def test_who_has_the_port_at_which_a_server_is_asked_is_said_by_name():
    ((code, detail),) = found(with_socket("127.0.0.1", 29998))

    assert code == "SVC476"
    assert "daemon (process 9) has 127.0.0.1 port 29998/TCP" in detail

    assert found(with_socket("127.0.0.1", 29998, "haproxy (process 4)")) == []
    health = HEALTH.express(asked("web"), with_socket("127.0.0.1", 10239))
    assert health.wanted == {}
    assert "daemon (process 9) has port 10239" in health.diagnostics[0].detail


@pytest.mark.parametrize(
    ("open_files", "count", "connections"),
    [(0, 3, 98_304), (20_000, 3, 7_500), (20_000, 5_000, 3_750)],
)
def test_listeners_leave_connections_as_many_files_as_there_are(
    open_files: int, count: int, connections: int
):
    """HAProxy doesn't start where it may not open two for each, and one for each listener."""
    facts = dataclasses.replace(FACTS, open_files=open_files)
    wanted = USERSPACE.express(intent(count), facts).wanted

    (frame,) = (x for x in wanted.values() if str(x.address).endswith("haproxy.cfg"))
    assert f"    maxconn {connections}" in frame.lines()
    assert 2 * connections + count + 100 < (open_files or 262_144)
