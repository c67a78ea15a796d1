"""How long nft takes, in svcform's layout and in kube-proxy's; prints a table.

    sudo .venv/bin/python -m tests.bench.bench_nftables [--quick]

As :mod:`tests.bench.bench_iptables`: times are the tool's own.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace

from svcform.backends.contract import RenderInput
from svcform.backends.proxy.nftables import NFTABLES
from svcform.model.facts import Facts
from svcform.model.settings import ProxyMode
from svcform.plan.diff import compare
from svcform.plan.snapshot import Snapshot
from svcform.program.program import Program
from tests.bench import kube_shape
from tests.bench.bench_iptables import (
    Row,
    faster,
    handshake,
    intent_of,
    namespace,
    one_endpoint_less,
    services,
    within,
)
from tests.bench.kube_shape import Plain

FACTS = Facts(kernel="6.1.0", tools={"nft": "nftables v1.0.6"})


def wanted_of(plain: list[Plain]) -> Snapshot:
    """What svcform wants of these Services on a node."""
    intent = intent_of(plain)
    settings = replace(intent.settings, proxy_mode=ProxyMode.NFTABLES)
    return NFTABLES.express(replace(intent, settings=settings), FACTS).wanted


def program(live: Snapshot, wanted: Snapshot) -> Program:
    """The steps from one to the other."""
    changes = compare(live, wanted)
    return NFTABLES.render(
        RenderInput(changes=changes, live=live, wanted=wanted, readings={}, facts=FACTS)
    )


def svcform_times(plain: list[Plain]) -> tuple[float, float]:
    """Seconds to load all, and to take one endpoint from a Service in the middle."""
    wanted, changed = wanted_of(plain), wanted_of(one_endpoint_less(plain))
    load, there, back = (
        program({}, wanted),
        program(wanted, changed),
        program(changed, wanted),
    )
    with namespace() as here:
        loaded = here.carry_out(load)
        times = [t for _ in range(3) for t in (here.carry_out(there), here.carry_out(back))]
    return loaded, min(times)


def kube_times(plain: list[Plain]) -> tuple[float, float]:
    """The same in kube-proxy's shape: its load, and its change with the listing before it."""
    middle = len(plain) // 2
    changed = one_endpoint_less(plain)[middle]
    with namespace() as here:
        loaded = here.run("nft", "-f", "-", given=kube_shape.nft_load(plain))
        # It lists the table's chains before each sync (v1.36 nftables/proxier.go, knftables).
        listed = here.run("nft", "--json", "--terse", "list", "table", "ip", "kube-proxy")
        changing = here.run("nft", "-f", "-", given=kube_shape.nft_change(changed))
    return loaded, listed + changing


def rows(count: int, tries: int) -> Iterator[Row]:
    """All lines of the table."""
    plain = services(count, dense=True)
    kube, kube_change = kube_times(plain)
    loaded, changed = svcform_times(plain)
    yield Row(f"load {count}", loaded, "kube-proxy", kube, *faster(8 if count > 1000 else 1.5))
    yield Row(f"change 1 of {count}", changed, "30 ms", 0.03, *within(1))
    yield Row(f"change 1 of {count}", changed, "kube-proxy", kube_change, *faster(20))
    one = handshake(services(1, dense=True), program({}, wanted_of(services(1, dense=True))), tries)
    last = handshake(plain, program({}, wanted_of(plain)), tries)
    yield Row(f"handshake with the last of {count}", last, "the only one of 1", one, *within(1.2))


def main() -> int:
    """Print the table; 1 if something asked for does not hold."""
    count, tries = (1000, 300) if "--quick" in sys.argv else (10000, 1000)
    print("| what | svcform | against | takes | ratio | asked for | holds |")
    print("|---|---|---|---|---|---|---|")
    lines = []
    for row in rows(count, tries):
        lines.append(row.text())
        print(lines[-1], flush=True)
    return any(line.endswith("NO |") for line in lines)


if __name__ == "__main__":
    sys.exit(main())
