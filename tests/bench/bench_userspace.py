"""How long userspace mode takes at 10,000 Services, and what its HAProxy needs; prints a table.

sudo .venv/bin/python -m tests.bench.bench_userspace [--services 10000]
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from svcform.model.settings import ProxyMode
from svcform.plan.order import join_programs
from svcform.policy.intent import Intent
from tests.bench.bench_iptables import intent_of, one_endpoint_less, services
from tests.bench.bench_ipvs import timed
from tests.bench.kube_shape import Plain
from tests.flow import worlds
from tests.flow.arena import open_arena
from tests.flow.under_test import NodeUnderTest

_MEMORY = (
    "for pid in $(pgrep -x haproxy); do cat /proc/$pid/status; done |"
    " awk '$1 == \"VmRSS:\" { sum += $2 } END { print sum }'"
)


def userspace_intent(plain: list[Plain]) -> Intent:
    """A node that carries them by HAProxy."""
    intent = intent_of(plain)
    return replace(intent, settings=replace(intent.settings, proxy_mode=ProxyMode.USERSPACE))


def report(what: str, seconds: float) -> None:
    """A row of the table."""
    print(f"| {what} | {seconds:.2f} s |", flush=True)


def change(node: NodeUnderTest, what: str, intent: Intent) -> None:
    """Plan and carry out; a row for the plan, one for each step."""
    started = time.monotonic()
    pending = node.plan(intent)
    report(f"{what}: read and plan", time.monotonic() - started)
    for step in join_programs([each.program for each in pending]).steps:
        if step.backend not in {"userspace", "iptables"}:
            node.arena.run(*step.command, given=step.stdin)
            continue
        if step.rehearsal:
            rehearsed = timed(node.arena, *step.rehearsal, given=step.stdin)
            report(f"{what}: rehearsal, {step.summary}", rehearsed)
        report(f"{what}: {step.summary}", timed(node.arena, *step.command, given=step.stdin))
    node.facts = None


def main() -> None:
    """Load all, change one, remove all."""
    count = int(sys.argv[sys.argv.index("--services") + 1]) if "--services" in sys.argv else 10_000
    plain = services(count, dense=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        open_arena(Path(folder), worlds.NODE_ADDRESSES) as arena,
    ):
        node = NodeUnderTest(arena)
        print("| what | takes |\n|---|---|")
        change(node, f"load {count}", userspace_intent(plain))
        print(f"| memory of HAProxy | {int(arena.run('sh', '-c', _MEMORY)) // 1024} MiB |")
        change(node, f"change 1 of {count}", userspace_intent(one_endpoint_less(plain)))
        change(node, f"remove {count}", replace(userspace_intent(plain), wanted=False))


if __name__ == "__main__":
    main()
