"""What many nodes cost beyond the first: ``python -m tests.bench.bench_fleet [NODES]``.

Only deciding and proposing, no network: the nodes are of one class, and their readings are equal.
Every figure is that of a process of its own.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace

from svcform.backends.contract import Reading, Status
from svcform.backends.proxy.iptables import IPTABLES
from svcform.engine.assume import assume
from svcform.engine.observe import Observation
from svcform.engine.propose import propose
from svcform.model.endpoint import Endpoint, PortKey
from svcform.model.net import Family, Protocol
from svcform.model.node import Connection, Node, Play
from svcform.model.service import NamespacedName, Service, ServicePort
from svcform.model.settings import Settings
from svcform.model.workspace import Workspace
from svcform.plan import planfile
from svcform.plan.snapshot import Snapshot
from svcform.policy.decide import decide

_SETTINGS = Settings(service_cidrs=("10.96.0.0/12",))
_FRESH, _SAME = "all rules to add", "no rule to change"
_KEY = PortKey("http", Protocol.TCP, Family.IPV4)


def workspace(nodes: int, services: int, endpoints: int) -> Workspace:
    """So many nodes of one class, with so many Services."""
    names = tuple(f"node-{n:04d}" for n in range(nodes))
    found = [_service(n) for n in range(services)]
    return Workspace(
        project_id="00000000-0000-4000-8000-000000000000",
        root="/",
        plays=(Play(name="edge", nodes=names),),
        nodes=tuple(
            Node(
                name=name,
                plays=(0,),
                settings=_SETTINGS,
                connection=Connection(host=_address("192.168.0.0", n + 1)),
            )
            for n, name in enumerate(names)
        ),
        services={service.key: service for service in found},
        endpoints={
            service.key: {
                _KEY: tuple(
                    Endpoint(_address("10.200.0.0", n * endpoints + m), 8080)
                    for m in range(endpoints)
                )
            }
            for n, service in enumerate(found)
        },
        play_services=(tuple(service.key for service in found),),
    )


def _address(first: str, number: int) -> str:
    high, low, *_ = map(int, first.split("."))
    return f"{high}.{low + number // 65536}.{number // 256 % 256}.{number % 256}"


def _service(n: int) -> Service:
    return Service(
        key=NamespacedName("default", f"svc-{n:05d}"),
        cluster_ips=(_address("10.96.0.0", n + 1),),
        ip_families=(Family.IPV4,),
        ports=(ServicePort(name="http", port=80, target_port=8080),),
    )


def _observed(node: Node) -> Observation:
    seen = assume(node).observation
    routes = ("IPv4 default via 192.168.255.254 dev eth0",)
    return replace(seen, facts=replace(seen.facts, routes=routes))


def applied(work: Workspace, before: Mapping[str, Observation]) -> dict[str, Observation]:
    """The observations of after an apply: what the nodes list are the chains that were wanted."""
    node = work.nodes[0]
    intent = decide(work)[node.name]
    wanted = IPTABLES.express(intent, before[node.name].facts).wanted
    listing = Reading(status=Status.READ, output=_listing(wanted).encode())
    services = propose(work, {node.name: intent}, {node.name: before[node.name]}).nodes[0].services
    return {
        name: replace(
            seen,
            readings={**seen.readings, "iptables.nft.ip": listing},
            recorded=replace(seen.recorded, services=services, project_id=work.project_id),
        )
        for name, seen in before.items()
    }


def _listing(wanted: Snapshot) -> str:
    tables: dict[str, dict[str, tuple[str, ...]]] = {}
    for address, found in wanted.items():
        _, _, table, chain = address.path
        tables.setdefault(table, {})[chain] = found.lines()
    lines = []
    for table, chains in tables.items():
        lines += [f"*{table}", *(f":{chain} - [0:0]" for chain in chains)]
        lines += [f"-A {chain} {rule}" for chain, rules in chains.items() for rule in rules]
        lines.append("COMMIT")
    return "\n".join(lines) + "\n"


def run(nodes: int, services: int, case: str) -> None:
    """Print seconds and MB of deciding and proposing."""
    work = workspace(nodes, services, 10)
    seen = {node.name: _observed(node) for node in work.nodes}
    if case == _SAME:
        seen = applied(work, seen)
        work = workspace(nodes, services, 10)  # nothing that is remembered by identity
    begin = time.perf_counter()
    plan = propose(work, decide(work), seen)
    proposed = time.perf_counter() - begin
    planfile.digest(plan)
    took = time.perf_counter() - begin
    problems = [node.problem for node in plan.nodes if node.problem]
    assert not problems, problems[0]
    rules = [change for change in plan.nodes[0].changes if change.address.backend == IPTABLES.name]
    assert bool(rules) == (case == _FRESH)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"| {services:,} | {nodes:,} | {case} | {proposed:.2f} | {took:.2f} | {peak:.0f} |")


def main() -> None:
    """Print the table."""
    nodes = int([*sys.argv[1:], "1000"][0])
    print("Deciding and proposing for nodes of one class, 10 endpoints a Service\n")
    print("| Services | nodes | plan | seconds | with its digest | peak MB |")
    print("|---|---|---|---|---|---|", flush=True)
    for services in (100, 10_000):
        for case in (_FRESH, _SAME):
            for count in (1, nodes):
                call = f"from {__spec__.name} import run; run({count}, {services}, {case!r})"
                subprocess.run([sys.executable, "-c", call], check=True)


if __name__ == "__main__":
    main()
