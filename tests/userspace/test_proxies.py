"""The proxies of userspace mode on a node, and what others do to them."""

from __future__ import annotations

import dataclasses
import re
import threading
import time
from collections.abc import Iterator

import pytest

from svcform.backends.proxy.userspace import USERSPACE
from svcform.backends.proxy.userspace.scripts import SCRIPTS
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
from svcform.policy.proxied import PROOF_PORTS, PROXY_ADDRESSES
from tests.flow import worlds
from tests.flow.arena import open_arena
from tests.flow.model import World
from tests.flow.under_test import NodeUnderTest, intent_of

pytestmark = pytest.mark.root
KEY = NamespacedName("test", "web")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeUnderTest]:
    with open_arena(tmp_path_factory.mktemp("proxies"), worlds.NODE_ADDRESSES) as arena:
        yield NodeUnderTest(arena)


def world(here: int) -> World:
    """A Service with so many of three endpoints on the node."""
    ports = tuple(ServicePort(name=p.value.lower(), protocol=p, port=80) for p in _PROTOCOLS)
    service = Service(
        key=KEY,
        type=ServiceType.LOAD_BALANCER,
        cluster_ips=("10.96.0.80",),
        ip_families=(Family.IPV4,),
        ports=ports,
        external_traffic_policy=TrafficPolicy.LOCAL,
    )
    behind = tuple(
        Endpoint(f"10.244.2.{n}", 8080, node=worlds.HERE if n < here else worlds.THERE)
        for n in range(3)
    )
    found = {PortKey(p.value.lower(), p, Family.IPV4): behind for p in _PROTOCOLS}
    settings = Settings(proxy_mode=USERSPACE.mode, node_ip=worlds.PRIMARY, node_name=worlds.HERE)
    return World({KEY: service}, {KEY: found}, settings, worlds.NODE_ADDRESSES)


_PROTOCOLS = (Protocol.TCP, Protocol.UDP)


@pytest.mark.parametrize("program", ["haproxy", "nginx"])
def test_a_program_that_was_killed_is_missed_and_brought_back(node: NodeUnderTest, program: str):
    intent = intent_of(world(1))
    node.apply(intent)
    node.arena.run(
        "sh",
        "-c",
        f"kill -9 $(ps -e -o pid=,comm= | awk '$2 == \"{program}\" {{ print $1; exit }}')",
    )

    (change,) = node.changes_left(intent)["userspace"]
    assert change.address.path == ("service", f"svcform-{program}")

    node.apply(intent)

    assert node.changes_left(intent) == {}


@pytest.mark.parametrize("program", ["haproxy", "nginx"])
def test_an_apply_waits_until_the_old_process_takes_no_client_any_more(
    node: NodeUnderTest, program: str
):
    """One that has not come to it yet would take clients to endpoints that they may not have."""
    node.apply(intent_of(world(1)))
    (old,) = workers(node, program)
    applied = threading.Thread(target=node.apply, args=(intent_of(world(2)),))
    node.arena.run("kill", "-STOP", old)
    try:
        applied.start()
        limit = time.monotonic() + 60
        while len(workers(node, program)) < 2:
            assert time.monotonic() < limit
            time.sleep(0.1)
        applied.join(3)
        waits = applied.is_alive()
    finally:
        node.arena.run("kill", "-CONT", old)
        applied.join()

    assert waits
    assert len(workers(node, program)) == 1
    assert node.changes_left(intent_of(world(2))) == {}


def workers(node: NodeUnderTest, program: str) -> list[str]:
    """Who takes connections to the proof's port, but for the main process (a child of init)."""
    port = PROOF_PORTS[Protocol.TCP if program == "haproxy" else Protocol.UDP]
    found = set(re.findall(r"pid=(\d+)", node.arena.run("ss", "-Hltnp", f"sport = :{port}")))
    parents = node.arena.run("ps", "-e", "-o", "pid=,ppid=").splitlines()
    return [pid for pid, parent in map(str.split, parents) if pid in found and parent != "1"]


@pytest.mark.parametrize("how", ["echo '# mine' >>", "printf '# mine' >>", "echo '    ' >>", ": >"])
def test_what_somebody_wrote_into_a_file_is_put_right(node: NodeUnderTest, how: str):
    intent = intent_of(world(1))
    node.apply(intent)
    node.arena.run("sh", "-c", f"{how}/etc/svcform/haproxy/services/test.web.cfg")

    (found,) = (pending for pending in node.plan(intent) if pending.changes)
    assert found.backend is USERSPACE
    for seen in found.program.fingerprints:
        assert (
            node.arena.run("sh", "-c", seen.script, given=seen.operands).encode() == seen.expected
        )

    node.run([found])

    assert node.changes_left(intent) == {}


@pytest.mark.parametrize("how", ["echo '    bend' >>", "echo bend >"])
def test_what_somebody_had_broken_goes_back_as_it_was(node: NodeUnderTest, how: str):
    intent, run = intent_of(world(1)), node.arena.run
    scripts = SCRIPTS[USERSPACE.name]
    restore = scripts.restore.replace("pause=$((5 ", "pause=$((1 ")
    node.apply(intent)
    run("sh", "-c", f"{how}/etc/svcform/haproxy/services/test.web.cfg")
    there = "cat /etc/svcform/*/services/* | cksum; pgrep -c haproxy"
    before = run("sh", "-c", there)
    run("sh", "-c", f"mkdir /run/kept\n{scripts.save}", "sh", "/run/kept")
    node.apply(intent)

    run("sh", "-c", restore, "sh", "/run/kept")

    assert run("sh", "-c", f"rm -r /run/kept; {there}") == before
    node.apply(intent)
    assert node.changes_left(intent) == {}


def test_files_stay_where_no_program_can_list_them(node: NodeUnderTest):
    intent = intent_of(world(1))
    node.apply(intent)

    node.arena.run("sh", "-c", f"ls() {{ return 126; }}\n{SCRIPTS[USERSPACE.name].settle}")

    assert node.changes_left(intent) == {}


@pytest.mark.parametrize("file", ["haproxy/all.cfg", "haproxy/proof.cfg", "nginx/proof.conf"])
def test_a_file_without_which_a_proxy_would_not_start_again_is_missed(
    node: NodeUnderTest, file: str
):
    intent = intent_of(world(1))
    node.apply(intent)
    node.arena.run("rm", f"/etc/svcform/{file}")

    (change,) = node.changes_left(intent)["userspace"]
    assert change.address.path == ("service", f"svcform-{file.partition('/')[0]}")

    node.apply(intent)

    assert node.changes_left(intent) == {}
    assert node.arena.run("wc", "-c", f"/etc/svcform/{file}")


def test_a_configuration_that_is_refused_changes_nothing(node: NodeUnderTest):
    node.apply(intent_of(world(1)))
    before = node.arena.run("sh", "-c", "cat /etc/svcform/*/services/* | cksum")
    (found,) = (p for p in node.plan(intent_of(world(2))) if p.backend is USERSPACE)
    for step in found.program.steps:
        broken = step.stdin.replace(b"    bind 169", b"    bend 169").replace(b"udp;", b"ugh;")
        done = node.arena.exec(*step.rehearsal, given=broken)

        assert done.returncode, step.summary
        assert done.stderr

    assert node.arena.run("sh", "-c", "cat /etc/svcform/*/services/* | cksum") == before


def test_what_leaves_by_a_link_without_an_address_has_none_of_the_proxys(node: NodeUnderTest):
    """All nodes have the same: an answer to it would end on the endpoint's own node."""
    given = world(1)
    (service,) = given.services.values()
    both = dataclasses.replace(
        service, cluster_ips=("10.96.0.80", "fd00:96::80"), ip_families=tuple(Family)
    )
    behind = (Endpoint("fd73:7663:6660::1", 8080),)
    found = {PortKey(p.name, p.protocol, Family.IPV6): behind for p in service.ports}
    endpoints = {KEY: {**given.endpoints[KEY], **found}}
    node.apply(intent_of(dataclasses.replace(given, services={KEY: both}, endpoints=endpoints)))
    run = node.arena.run
    run("ip", "link", "add", "pods", "type", "veth", "peer", "name", "endpoints")
    try:
        run("ip", "link", "set", "pods", "up")
        run("ip", "route", "add", "10.77.0.0/16", "dev", "pods")
        run("ip", "route", "add", "fd73:7663:6660::/64", "dev", "pods")
        held = run("ip", "-o", "addr")
        sources = [run("ip", "route", "get", to) for to in ("10.77.0.1", "fd73:7663:6660::1")]
    finally:
        run("ip", "link", "del", "pods")

    for address in PROXY_ADDRESSES.values():
        assert f" {address}/" in held
        assert not any(f" src {address} " in line for line in sources)


def test_the_distributions_own_proxy_is_left_alone(node: NodeUnderTest):
    own = b"frontend own\n mode tcp\n timeout client 5s\n bind 127.0.0.1:8404\n"
    node.arena.run("tee", "/run/own.cfg", given=own)
    node.arena.run("haproxy", "-W", "-D", "-q", "-f", "/run/own.cfg", "-p", "/run/own.pid")
    intent = intent_of(world(1))

    node.apply(intent)
    node.apply(dataclasses.replace(intent, wanted=False))

    running = node.arena.run("ps", "-e", "-o", "args=").splitlines()
    assert {line for line in running if "haproxy" in line or "nginx" in line} == {
        "haproxy -W -D -q -f /run/own.cfg -p /run/own.pid"
    }
