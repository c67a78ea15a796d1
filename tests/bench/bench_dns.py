"""What names cost on top of a plan: ``python -m tests.bench.bench_dns [SERVICES]``.

Deciding and proposing for one node with and without ``dns``, in processes of their own, in turn;
and how long the program of a change is.  CPU seconds: a shared machine has moods.
"""

from __future__ import annotations

import gc
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace

from svcform.backends.contract import Reading, RenderInput, Status
from svcform.backends.dns.coredns import COREDNS
from svcform.backends.dns.coredns.objects import COREFILE, File
from svcform.backends.dns.coredns.observe import PROBE
from svcform.engine.assume import assume
from svcform.engine.observe import Observation
from svcform.engine.propose import propose
from svcform.lang.zone.text import write
from svcform.model.workspace import Workspace
from svcform.plan.diff import compare
from svcform.plan.snapshot import NodeObject
from svcform.policy.decide import decide
from tests.bench.bench_fleet import workspace

_RUNS = 3
_TOOLS = "tool\tcoredns\ntool\tbash\n"
_FRESH, _SAME = "all records to add", "no record to change"


def one_node(services: int, *, dns: bool) -> Workspace:
    """One node with so many Services of 10 endpoints each."""
    made = workspace(1, services, 10)
    node = replace(made.nodes[0], settings=replace(made.nodes[0].settings, dns=dns))
    return replace(made, nodes=(node,), play_nodes=(node,))


def observed(work: Workspace, listing: str = "") -> Observation:
    """The node as it is before, or with these zones."""
    seen = assume(work.nodes[0]).observation
    routes = ("IPv4 default via 192.168.255.254 dev eth0",)
    reading = Reading(status=Status.READ, output=(listing + _TOOLS).encode())
    facts = replace(seen.facts, routes=routes, dns_serial=7 if listing else 0)
    recorded = replace(seen.recorded, project_id=work.project_id)
    readings = {**seen.readings, PROBE: reading}
    return replace(seen, facts=facts, readings=readings, recorded=recorded)


def applied(work: Workspace) -> str:
    """What a node lists that serves the workspace's zones."""
    name = work.nodes[0].name
    intent = decide(work)[name]
    zones = intent.zones
    assert zones is not None
    texts = {f"{zone.origin}zone": write(zone, 7).decode() for zone in zones.zones}
    wanted = COREDNS.express(intent, observed(work).facts).wanted
    for found in wanted.values():
        if isinstance(found, File):
            texts["Corefile" if found.path == COREFILE else found.path] = found.text
    listed = (f"file\t{text.count(chr(10))}\t{path}\n{text}" for path, text in texts.items())
    return "running\t1\n" + "".join(listed)


def run(services: int, case: str, dns: str) -> None:
    """Print the CPU seconds of deciding and proposing."""
    work = one_node(services, dns=dns == "dns")
    seen = observed(work, applied(work) if dns == "dns" and case == _SAME else "")
    work = one_node(services, dns=dns == "dns")  # nothing that is remembered by identity
    gc.disable()  # as the command does
    begin = time.process_time()
    plan = propose(work, decide(work), {work.nodes[0].name: seen})
    took = time.process_time() - begin
    node = plan.nodes[0]
    assert not node.problem, node.problem
    records = [c for c in node.changes if c.address.backend == COREDNS.name]
    assert bool(records) == (dns == "dns" and case == _FRESH), len(records)
    print(took)


def _measure(services: int, case: str) -> Mapping[str, float]:
    found: dict[str, list[float]] = {"plain": [], "dns": []}
    for _ in range(_RUNS):
        for which, seconds in found.items():
            call = f"from tests.bench.bench_dns import run; run({services}, {case!r}, {which!r})"
            argv = [sys.executable, "-c", call]
            done = subprocess.run(argv, check=True, capture_output=True, text=True)
            seconds.append(float(done.stdout))
    return {which: statistics.median(seconds) for which, seconds in found.items()}


def sizes(services: int, changed: int) -> tuple[int, int, int]:
    """The record sets, the bytes there and the bytes of the undo where so many Services change."""
    work = one_node(services, dns=True)
    name = work.nodes[0].name
    facts = replace(observed(work).facts, dns_serial=7)
    before = COREDNS.express(decide(work)[name], facts).wanted
    found = dict(work.services)
    for key in list(found)[:changed]:
        number = int(key.name.removeprefix("svc-"))
        address = f"10.111.{number // 256}.{number % 256}"
        found[key] = replace(found[key], cluster_ips=(address,))
    after = COREDNS.express(decide(replace(work, services=found))[name], facts).wanted
    live: dict[object, NodeObject] = dict(before)
    changes = compare(live, after)
    inputs = RenderInput(changes=changes, live=live, wanted=after, readings={}, facts=facts)
    program = COREDNS.render(inputs)
    there = sum(len(step.stdin) for step in program.steps)
    return len(changes), there, sum(len(step.stdin) for step in program.undo)


def main() -> None:
    """Print the tables."""
    services = int([*sys.argv[1:], "10000"][0])
    print(f"Deciding and proposing for one node, {services:,} Services with 10 endpoints each\n")
    print("| plan | CPU seconds | with dns | names cost | asked for | holds |")
    print("|---|---|---|---|---|---|", flush=True)
    for case in (_FRESH, _SAME):
        took = _measure(services, case)
        cost = took["dns"] - took["plain"]
        holds = "yes" if cost < 1 else "NO"
        print(
            f"| {case} | {took['plain']:.2f} | {took['dns']:.2f} | {cost:.2f} | under 1 | {holds} |"
        )
    print(f"\n| changed of {services:,} | record sets | bytes | bytes a Service | of the undo |")
    print("|---|---|---|---|---|", flush=True)
    for count in (1, 10, 100, 1000):
        records, there, back = sizes(services, count)
        print(f"| {count:,} | {records:,} | {there:,} | {there / count:.0f} | {back:,} |")


if __name__ == "__main__":
    main()
