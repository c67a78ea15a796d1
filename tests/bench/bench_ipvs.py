"""How long IPVS mode takes in a guest kernel, against the tools alone; prints a table.

    sudo .venv/bin/python -m tests.bench.bench_ipvs [--large] [--steps]

A guest's system calls are ten times as slow as a machine's own, so that only the ratios count.
The floor is ``ipvsadm --restore`` of the very virtual servers that svcform makes.  kube-proxy
stands for a virtual server, an address of a dummy link and an element of a set for each Service,
the shape of its IPVS mode (v1.36).  ``--steps`` says on stderr what each step takes.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from svcform.backends.proxy.ipvs import IPVS
from svcform.model.net import Family
from svcform.model.settings import ProxyMode
from svcform.plan.order import join_programs
from svcform.policy.intent import Intent
from svcform.program.bundle import command_file
from svcform.program.program import Step
from tests.bench.bench_iptables import Row, faster, intent_of, one_endpoint_less, services, within
from tests.bench.kube_shape import Plain
from tests.flow import guest_node, worlds
from tests.flow.arena import Arena, Flow, Kind, open_arena
from tests.flow.nodes import clear, guest_subjects
from tests.flow.under_test import NodeUnderTest

_CLIENT = worlds.OUTSIDE[Family.IPV4][0]


def ipvs_intent(plain: list[Plain]) -> Intent:
    intent = intent_of(plain)
    return replace(intent, settings=replace(intent.settings, proxy_mode=ProxyMode.IPVS))


def planned(node: NodeUnderTest, plain: list[Plain]) -> tuple[Step, ...]:
    """The steps that bring the node to these Services."""
    programs = [pending.program for pending in node.plan(ipvs_intent(plain))]
    return join_programs(programs).steps


def carry_out(node: NodeUnderTest, steps: tuple[Step, ...]) -> list[tuple[Step, float]]:
    """The seconds of each step."""
    done = []
    for step in steps:
        done.append((step, timed(node.arena, *step.command, given=step.stdin)))
        if "--steps" in sys.argv:
            print(f"{done[-1][1]:8.3f} s  {step.summary}", file=sys.stderr)
    return done


def seconds(steps: list[tuple[Step, float]]) -> float:
    return sum(each for _, each in steps)


def timed(arena: Arena, *argv: str, given: str | bytes = b"") -> float:
    """Seconds of a command that is started as the runner does it: a file of sh, and another."""
    folder = arena.node.disk / "var/tmp"
    (folder / "command").write_bytes(command_file(argv))
    (folder / "given").write_bytes(given.encode() if isinstance(given, str) else given)
    began = time.perf_counter()
    arena.run("sh", "-c", "exec sh /var/tmp/command </var/tmp/given")
    return time.perf_counter() - began


def load_times(arena: Arena, serving: Step, turns: int) -> tuple[float, float]:
    """Seconds of the step that loads all virtual servers, and of ipvsadm alone, in turns."""
    listed = arena.run("ipvsadm", "-S", "-n")
    steps, alone = [], []
    for _ in range(turns):
        arena.run("ipvsadm", "-C")
        steps.append(timed(arena, *serving.command, given=serving.stdin))
        arena.run("ipvsadm", "-C")
        alone.append(timed(arena, "ipvsadm", "-R", given=listed))
    return min(steps), min(alone)


def change_times(node: NodeUnderTest, plain: list[Plain], fewer: list[Plain]) -> list[float]:
    """Seconds for a server less and one more, of the steps and of ipvsadm alone, in turns.

    Plans are made once: what is between them is the same each time.
    """
    arena, address = node.arena, plain[0].address
    server = f"-t {address}:81 -r 192.0.2.9:81"
    arena.run("ipvsadm", "-A", "-t", f"{address}:81")
    arena.run("ipvsadm", "-a", "-t", f"{address}:81", "-r", "192.0.2.9:81", "-m")
    go = planned(node, fewer)
    carry_out(node, go)
    come = planned(node, plain)
    carry_out(node, come)
    turns = [
        (
            seconds(carry_out(node, go)),
            timed(arena, "ipvsadm", "-R", given=f"-d {server}\n"),
            seconds(carry_out(node, come)),
            timed(arena, "ipvsadm", "-R", given=f"-a {server} -m\n"),
        )
        for _ in range(10)
    ]
    arena.run("ipvsadm", "-D", "-t", f"{address}:81")
    return [min(each) for each in zip(*turns, strict=True)]


def runner_time(node: NodeUnderTest, plain: list[Plain]) -> float:
    """Seconds of what the runner does around the steps of a change, as far as it is of IPVS.

    Two fingerprints, two checkpoints and one reading.
    """
    pending = next(p for p in node.plan(ipvs_intent(plain)) if p.backend is IPVS)
    (fingerprint,) = pending.program.fingerprints
    save = ("sh", "-c", IPVS.checkpoint().save, "sh", "/var/tmp/checkpoint")
    node.arena.run("mkdir", "-p", "/var/tmp/checkpoint")
    asked = timed(node.arena, "sh", "-c", fingerprint.script, given=fingerprint.operands)
    saved = timed(node.arena, *save)
    read = sum(timed(node.arena, "sh", "-c", probe.script) for probe in IPVS.probes())
    if "--steps" in sys.argv:
        print(f"{asked:8.3f} fingerprint {saved:8.3f} save {read:8.3f} read", file=sys.stderr)
    return 2 * asked + 2 * saved + read


def kube_load(arena: Arena, plain: list[Plain]) -> float:
    """Seconds to load kube-proxy's shape into an empty node."""
    servers, links, sets = [], ["link add kube-ipvs0 type dummy"], []
    sets.append("create KUBE-CLUSTER-IP hash:ip,port maxelem 100000")
    for one in plain:
        servers.append(f"-A -t {one.address}:80 -s rr")
        servers += [f"-a -t {one.address}:80 -r {a}:{p} -m -w 1" for a, p in one.endpoints]
        links.append(f"address add {one.address}/32 dev kube-ipvs0")
        sets.append(f"add KUBE-CLUSTER-IP {one.address},tcp:80")
    whole = 0.0
    for command, lines in (
        (("ip", "-batch", "-"), links),
        (("ipset", "restore"), sets),
        (("ipvsadm", "-R"), servers),
    ):
        whole += timed(arena, *command, given="".join(f"{line}\n" for line in lines))
    arena.run("ip", "link", "del", "kube-ipvs0")
    return whole


def first_packet(arena: Arena, address: str) -> float:
    """Seconds that a new connection to a Service takes through the node."""
    flows = [Flow(_CLIENT, address, 80)] * 400
    best = 1e9
    for _ in range(40):
        began = time.perf_counter()
        seen = arena.send(flows)
        best = min(best, (time.perf_counter() - began) / len(flows))
        assert {each.verdict for each in seen} == {"delivered"}
    return best


def rows(node: NodeUnderTest, count: int) -> Iterator[Row]:
    """All lines of the table."""
    plain, fewer = services(count, dense=True), one_endpoint_less(services(count, dense=True))
    carry_out(node, planned(node, services(1, dense=True)))
    one = first_packet(node.arena, plain[0].address)
    clear(node, worlds.NODE_ADDRESSES)
    steps = carry_out(node, planned(node, plain))
    last = first_packet(node.arena, plain[-1].address)
    yield Row(f"first packet to the last of {count}", last, "the only one", one, *within(1.2))
    go, floor_go, come, floor_come = change_times(node, plain, fewer)
    yield Row(f"one endpoint more of {count}", come, "ipvsadm, 1", floor_come, *within(1.5))
    yield Row(f"one endpoint less of {count}", go, "ipvsadm, 1", floor_go, *within(1.5))
    around = runner_time(node, fewer)
    (serving,) = (step for step, _ in steps if step.summary.startswith("ipvsadm: "))
    served, floor = load_times(node.arena, serving, 2 if count <= 1000 else 1)
    loaded = served + seconds([(step, took) for step, took in steps if step is not serving])
    yield Row("the runner around a change", around, "ipvsadm --restore", floor, *within(1.5))
    yield Row(f"one endpoint less of {count}", go, "its load", loaded, *faster(10))
    yield Row(f"load {count}, virtual servers", served, "ipvsadm --restore", floor, *within(1.5))
    yield Row(f"load {count}, all steps", loaded, "ipvsadm --restore", floor, *within(1.5))
    clear(node, worlds.NODE_ADDRESSES)
    kube = kube_load(node.arena, plain)
    yield Row(f"load {count}, all steps", loaded, "kube-proxy", kube, *faster(1))


def main() -> int:
    """Print the table; 1 if something asked for does not hold."""
    count = 10_000 if "--large" in sys.argv else 1000
    guest_node._PATIENCE = 1800.0
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
