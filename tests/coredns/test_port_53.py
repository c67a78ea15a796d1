"""Who has port 53 where CoreDNS is to serve: real sockets of every kind, told by process."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import pytest

from svcform.lab.lab import Lab
from tests.coredns.node import Node
from tests.coredns.test_properties import PLAIN
from tests.coredns.test_under_load import LabNode
from tests.coredns.worlds import World
from tests.flow.under_test import observe

pytestmark = pytest.mark.root
HOLDER = """
import socket, sys
family, kind, address, v6only = sys.argv[1:]
held = socket.socket(getattr(socket, family), getattr(socket, kind))
if family == "AF_INET6":
    held.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(v6only))
held.bind((address, 53))
if kind == "SOCK_STREAM":
    held.listen()
print("held", flush=True)
sys.stdin.read()
"""
UDP4, TCP4 = ("AF_INET", "SOCK_DGRAM"), ("AF_INET", "SOCK_STREAM")
UDP6, TCP6 = ("AF_INET6", "SOCK_DGRAM"), ("AF_INET6", "SOCK_STREAM")
NOTHING = World(objects=(), options=PLAIN)


@pytest.fixture(scope="module")
def node(lab: Lab) -> Node:
    """A node where nobody has port 53 yet."""
    machine = LabNode(lab, "n1")
    listen = lab.addresses("n1")[:2]
    made = Node(
        machine=machine, facts=observe(machine).facts, program="coredns", listen=tuple(listen)
    )
    made.apply(NOTHING, absent=True)
    return made


@contextmanager
def held(lab: Lab, *argv: str) -> Iterator[None]:
    """A program on the node that holds its socket until its standard input ends."""
    pipe = subprocess.PIPE
    holder = subprocess.Popen(lab.command("n1", argv), stdin=pipe, stdout=pipe)
    assert holder.stdout
    try:
        assert holder.stdout.readline() == b"held\n"
        yield
    finally:
        holder.communicate(timeout=60)


@contextmanager
def without(lab: Lab, program: str) -> Iterator[None]:
    """The node does not have this program for a while."""
    path = lab.run("n1", ["sh", "-c", f"readlink -f $(command -v {program})"]).stdout.decode()
    hidden = lab.run("n1", ["mount", "-B", "/etc/hostname", path.strip()])
    assert hidden.returncode == 0, hidden.stderr
    try:
        yield
    finally:
        lab.run("n1", ["umount", path.strip()])


def taken(node: Node) -> set[str]:
    """What the findings say of it."""
    found = node.caveats(NOTHING)
    assert {each.code for each in found} <= {"SVC464"}
    return {each.detail for each in found}


@pytest.mark.parametrize("tool", ["ss", "/proc"])
@pytest.mark.parametrize(
    ("kind", "address", "v6only", "families"),
    [
        (UDP4, "0.0.0.0", 0, [4]),
        (TCP4, "own", 0, [4]),
        (UDP4, "127.0.0.1", 0, []),
        (UDP6, "::", 0, [4, 6]),
        (TCP6, "::", 1, [6]),
        (UDP6, "own", 1, [6]),
        (TCP6, "::ffff:own", 0, [4]),
    ],
)
def test_a_socket_stops_the_plan_where_coredns_could_not_bind(
    lab: Lab, node: Node, kind: tuple[str, str], address: str, v6only: int, families: list[int],
    tool: str,
):  # fmt: skip
    own = dict(zip((4, 6), node.listen, strict=True))
    place = address.replace("own", own[6 if (kind[0], address) == ("AF_INET6", "own") else 4])
    if tool == "/proc" and v6only and address == "::":
        families = [4, 6]  # it does not tell
    hidden = without(lab, "ss") if tool == "/proc" else nullcontext()
    with held(lab, "python3", "-c", HOLDER, *kind, place, str(v6only)), hidden:
        found = taken(node)

    if not families:
        assert found == set()
        return
    (detail,) = found
    assert detail.startswith("On n1 python3")
    for family, text in own.items():
        assert (text in detail) == (family in families)


def test_a_socket_in_another_network_is_in_nobodys_way(lab: Lab, node: Node):
    with held(lab, "unshare", "-n", "python3", "-c", HOLDER, *UDP4, "0.0.0.0", "0"):
        assert taken(node) == set()
