"""How long IPVS mode takes in a guest kernel, against the tools alone; prints a table.

    sudo .venv/bin/python -m tests.bench.bench_ipvs [--large]

A guest's system calls are ten times as slow as a machine's own, so that only the ratios count.
The floor is ``ipvsadm --restore`` of the very virtual servers that svcform makes.  kube-proxy
stands for a virtual server, an address of a dummy link and an element of a set for each Service,
the shape of its IPVS mode (v1.36).
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from svcform.model.net import Family
from svcform.model.settings import ProxyMode
from svcform.plan.order import join_programs
from svcform.policy.intent import Intent
from tests.bench.bench_iptables import Row, faster, intent_of, one_endpoint_less, services, within
from tests.bench.kube_shape import Plain
from tests.flow import worlds
from tests.flow.arena import Arena, Flow, Kind, open_arena
from tests.flow.nodes import clear, guest_subjects
from tests.flow.under_test import NodeUnderTest

_CLIENT = worlds.OUTSIDE[Family.IPV4][0]


def ipvs_intent(plain: list[Plain]) -> Intent:
    intent = intent_of(plain)
    return replace(intent, settings=replace(intent.settings, proxy_mode=ProxyMode.IPVS))


def carry_out(node: NodeUnderTest, plain: list[Plain]) -> float:
    """Seconds of all steps that bring the node to these Services, without its reading."""
    programs = [pending.program for pending in node.plan(ipvs_intent(plain))]
    return sum(
        timed(node.arena, *step.command, given=step.stdin) for step in join_programs(programs).steps
    )


def timed(arena: Arena, *argv: str, given: str | bytes = b"") -> float:
    began = time.perf_counter()
    arena.run(*argv, given=given.encode() if isinstance(given, str) else given)
    return time.perf_counter() - began


def floor_times(arena: Arena) -> tuple[float, float]:
    """Seconds to load the node's virtual servers again, and to take one server away."""
    listed = arena.run("ipvsadm", "-S", "-n")
    arena.run("ipvsadm", "-C")
    loaded = timed(arena, "ipvsadm", "-R", given=listed)
    server = next(line for line in listed.splitlines() if line.startswith("-a "))
    gone = server.replace("-a ", "-d ", 1).partition(" -m")[0] + "\n"
    return loaded, timed(arena, "ipvsadm", "-R", given=gone)


def kube_load(arena: Arena, plain: list[Plain]) -> float:
    """Seconds to load kube-proxy's shape into an empty node."""
    servers, links, sets = [], ["link add kube-ipvs0 type dummy"], []
    sets.append("create KUBE-CLUSTER-IP hash:ip,port maxelem 100000")
    for one in plain:
        servers.append(f"-A -t {one.address}:80 -s rr")
        servers += [f"-a -t {one.address}:80 -r {a}:{p} -m -w 1" for a, p in one.endpoints]
        links.append(f"address add {one.address}/32 dev kube-ipvs0")
        sets.append(f"add KUBE-CLUSTER-IP {one.address},tcp:80")
    seconds = 0.0
    for command, lines in (
        (("ip", "-batch", "-"), links),
        (("ipset", "restore"), sets),
        (("ipvsadm", "-R"), servers),
    ):
        seconds += timed(arena, *command, given="".join(f"{line}\n" for line in lines))
    arena.run("ip", "link", "del", "kube-ipvs0")
    return seconds


def first_packet(arena: Arena, address: str) -> float:
    """Seconds that a new connection to a Service takes through the node."""
    flows = [Flow(_CLIENT, address, 80)] * 400
    best = 1e9
    for _ in range(5):
        began = time.perf_counter()
        seen = arena.send(flows)
        best = min(best, (time.perf_counter() - began) / len(flows))
        assert {each.verdict for each in seen} == {"delivered"}
    return best


def rows(node: NodeUnderTest, count: int) -> Iterator[Row]:
    """All lines of the table."""
    plain, fewer = services(count, dense=True), one_endpoint_less(services(count, dense=True))
    carry_out(node, services(1, dense=True))
    one = first_packet(node.arena, plain[0].address)
    clear(node, worlds.NODE_ADDRESSES)
    kube = kube_load(node.arena, plain)
    clear(node, worlds.NODE_ADDRESSES)
    loaded = carry_out(node, plain)
    last = first_packet(node.arena, plain[-1].address)
    changes = [carry_out(node, wanted) for wanted in (fewer, plain, fewer, plain)]
    floor, floor_change = floor_times(node.arena)
    yield Row(f"load {count}", loaded, "ipvsadm --restore", floor, *within(1.5))
    yield Row(f"load {count}", loaded, "kube-proxy", kube, *faster(1))
    yield Row(f"change 1 of {count}", min(changes), "ipvsadm, 1", floor_change, *within(1.5))
    yield Row(f"change 1 of {count}", min(changes), "its load", loaded, *faster(10))
    yield Row(f"first packet to the last of {count}", last, "the only one", one, *within(1.2))


def main() -> int:
    """Print the table; 1 if something asked for does not hold."""
    count = 10_000 if "--large" in sys.argv else 1000
    print("| what | svcform | against | takes | ratio | asked for | holds |")
    print("|---|---|---|---|---|---|---|")
    lines = []
    with (
        tempfile.TemporaryDirectory() as folder,
        open_arena(Path(folder), worlds.NODE_ADDRESSES, "legacy", Kind.GUEST) as arena,
    ):
        for row in rows(NodeUnderTest(arena, guest_subjects()), count):
            lines.append(row.text())
            print(lines[-1], flush=True)
    return any(line.endswith("NO |") for line in lines)


if __name__ == "__main__":
    sys.exit(main())
