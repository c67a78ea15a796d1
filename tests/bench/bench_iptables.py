"""How long the tools take, in svcform's layout and in kube-proxy's; prints a table.

    sudo .venv/bin/python -m tests.bench.bench_iptables [--quick]

Times are the tools' own (user and system), so that other work on the machine hardly counts;
changes and handshakes are the best of a few.  Each load has a network namespace of its own.
"""

from __future__ import annotations

import contextlib
import os
import random
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address

from svcform.backends.contract import RenderInput
from svcform.backends.proxy.iptables import IPTABLES
from svcform.model.endpoint import Endpoint, PortKey
from svcform.model.facts import Facts
from svcform.model.net import Family, Protocol, endpoint_text
from svcform.model.node import Connection, Node, Play
from svcform.model.service import NamespacedName, Service, ServicePort
from svcform.model.settings import Settings
from svcform.model.workspace import Workspace
from svcform.plan.diff import compare
from svcform.plan.snapshot import Snapshot
from svcform.policy.decide import decide
from svcform.policy.intent import Intent
from svcform.program.program import Program
from tests.bench import kube_shape
from tests.bench.kube_shape import Plain

ENDPOINTS = 10
SETTINGS = Settings(
    service_cidrs=("10.96.0.0/12",), pod_cidrs=("10.244.0.0/16",), node_ip=("192.0.2.1",)
)
_FIRST = int(ip_address("10.96.0.0"))
_FIRST_ENDPOINT = int(ip_address("10.128.0.0"))
_KEY = PortKey("http", Protocol.TCP, Family.IPV4)


def services(count: int, *, dense: bool) -> list[Plain]:
    """Services with ten endpoints each; clusterIPs in a row in a /16, or at random in a /12."""
    places = range(1, count + 1) if dense else random.Random(count).sample(range(1 << 20), count)
    found = []
    for number, place in enumerate(places):
        first = _FIRST_ENDPOINT + number * ENDPOINTS
        endpoints = [(str(ip_address(first + n)), 8080) for n in range(ENDPOINTS)]
        found.append(
            Plain(f"default/svc-{number}:http", str(ip_address(_FIRST + place)), endpoints)
        )
    return found


def intent_of(plain: list[Plain]) -> Intent:
    """What a node should do with these Services."""
    made, endpoints = {}, {}
    for one in plain:
        key = NamespacedName(*one.name.partition(":")[0].split("/"))
        made[key] = Service(
            key=key,
            cluster_ips=(one.address,),
            ip_families=(Family.IPV4,),
            ports=(ServicePort(name="http", port=80),),
        )
        found = [Endpoint(*endpoint) for endpoint in one.endpoints]
        found.sort(key=lambda e: endpoint_text(e.address, e.port))
        endpoints[key] = {_KEY: tuple(found)}
    node = Node(name="n", connection=Connection(host="192.0.2.1"), settings=SETTINGS, plays=(0,))
    workspace = Workspace(
        project_id="bench",
        root="/",
        plays=(Play(name="bench", nodes=("n",)),),
        nodes=(node,),
        services=made,
        endpoints=endpoints,
        play_services=(tuple(sorted(made)),),
    )
    return decide(workspace)["n"]


def wanted_of(plain: list[Plain], variant: str) -> Snapshot:
    """What svcform wants of these Services on a node."""
    return IPTABLES.express(intent_of(plain), facts(variant)).wanted


def facts(variant: str) -> Facts:
    """A node whose plain iptables is of a variant."""
    word = {"nft": "nf_tables", "legacy": "legacy"}[variant]
    names = ("iptables", "ip6tables", f"iptables-{variant}", f"ip6tables-{variant}")
    return Facts(tools=dict.fromkeys(names, f"iptables v1.8.9 ({word})"))


def program(live: Snapshot, wanted: Snapshot, variant: str) -> Program:
    """The steps from one to the other."""
    changes = compare(live, wanted)
    return IPTABLES.render(
        RenderInput(changes=changes, live=live, wanted=wanted, readings={}, facts=facts(variant))
    )


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@dataclass(frozen=True)
class Namespace:
    """A network namespace with tables of its own."""

    name: str

    def run(self, *argv: str, given: bytes = b"") -> float:
        """Seconds of the machine's time that a command takes, its own and the kernel's."""
        before = _children()
        subprocess.run(
            ["nsenter", f"--net=/run/netns/{self.name}", *argv],
            input=given,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        return _children() - before

    def carry_out(self, steps: Program) -> float:
        """Seconds that a program takes."""
        return sum(self.run(*step.command, given=step.stdin) for step in steps.steps)


@contextlib.contextmanager
def namespace(word: str = "a") -> Iterator[Namespace]:
    """A namespace, gone at the end."""
    name = f"svcf-ipt-bench-{os.getpid()}-{word}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        yield Namespace(name)
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


def svcform_times(plain: list[Plain], variant: str) -> tuple[float, float]:
    """Seconds to load all, and to take one endpoint from a Service in the middle."""
    wanted = wanted_of(plain, variant)
    changed = wanted_of(one_endpoint_less(plain), variant)
    load, there = program({}, wanted, variant), program(wanted, changed, variant)
    back = program(changed, wanted, variant)
    with namespace() as here:
        loaded = here.carry_out(load)
    with namespace() as here:
        loaded = min(loaded, here.carry_out(load))
        times = [t for _ in range(3) for t in (here.carry_out(there), here.carry_out(back))]
    return loaded, min(times)


def kube_times(plain: list[Plain], variant: str) -> tuple[float, float]:
    """The same in kube-proxy's shape, loaded as kube-proxy does."""
    tool = (f"iptables-{variant}-restore", "-w", "5", "--noflush", "--counters")
    middle = len(plain) // 2
    changed = one_endpoint_less(plain)
    stale = kube_shape.stale_chains(plain[middle], changed[middle])
    with namespace() as here:
        loaded = here.run(*tool, given=kube_shape.sync(plain, plain))
        here.run(*tool[:1], "--noflush", given=kube_shape.JUMPS.encode())
        there = here.run(*tool, given=kube_shape.sync(changed, [changed[middle]], stale))
        back = here.run(*tool, given=kube_shape.sync(plain, [plain[middle]]))
    return loaded, min(there, back)


def one_endpoint_less(plain: list[Plain]) -> list[Plain]:
    """The same, but for an endpoint of a Service in the middle."""
    middle = len(plain) // 2
    one = plain[middle]
    return [*plain[:middle], one._replace(endpoints=one.endpoints[1:]), *plain[middle + 1 :]]


_CONNECT = """
import socket, sys, time
times = []
for _ in range(int(sys.argv[2])):
    s = socket.socket()
    start = time.perf_counter()
    s.connect((sys.argv[1], 80))
    times.append(time.perf_counter() - start)
    s.close()
times.sort()
print(times[len(times) // 2])
"""
_LISTEN = """
import socket
s = socket.create_server(("", 8080), backlog=4096)
print(flush=True)
while True:
    s.accept()[0].close()
"""


def first_packet(plain: list[Plain], variant: str, tries: int) -> float:
    """Median seconds of a TCP handshake with the last of the Services."""
    return handshake(plain, program({}, wanted_of(plain, variant), variant), tries)


def handshake(plain: list[Plain], steps: Program, tries: int) -> float:
    """The same on a node with a program of any backend, from another namespace."""
    last = max(plain, key=lambda one: int(ip_address(one.address))).address
    with namespace("node") as node, namespace("client") as client:
        for argv in (
            f"ip link add svcf-b0 netns {node.name} type veth peer svcf-b1 netns {client.name}",
            f"ip -n {node.name} addr add 192.0.2.1/24 dev svcf-b0",
            f"ip -n {client.name} addr add 192.0.2.2/24 dev svcf-b1",
            f"ip -n {node.name} link set svcf-b0 up",
            f"ip -n {client.name} link set svcf-b1 up",
            f"ip -n {node.name} link set lo up",
            f"ip -n {node.name} route add local 10.128.0.0/9 dev lo",
            f"ip -n {client.name} route add default via 192.0.2.1",
        ):
            subprocess.run(argv.split(), check=True)
        node.carry_out(steps)
        inside = ["nsenter", f"--net=/run/netns/{node.name}", sys.executable, "-c", _LISTEN]
        with subprocess.Popen(inside, stdout=subprocess.PIPE) as server:
            try:
                assert server.stdout
                server.stdout.readline()
                outside = ["nsenter", f"--net=/run/netns/{client.name}", sys.executable, "-c"]
                times = [
                    float(subprocess.check_output([*outside, _CONNECT, last, str(tries)]))
                    for _ in range(3)
                ]
            finally:
                server.kill()
    return min(times)


@dataclass(frozen=True)
class Row:
    """One line of the table: what is measured, in seconds, against what, and what is asked for."""

    what: str
    ours: float
    against: str
    theirs: float
    asked: str
    holds: Callable[[float], bool]

    def text(self) -> str:
        """The line."""
        ratio = self.theirs / self.ours if "times faster" in self.asked else self.ours / self.theirs
        verdict = "yes" if self.holds(ratio) else "NO"
        return (
            f"| {self.what} | {_time(self.ours)} | {self.against} | {_time(self.theirs)} "
            f"| {ratio:.2g} | {self.asked} | {verdict} |"
        )


def _time(seconds: float) -> str:
    return f"{seconds * 1e6:.0f} µs" if seconds < 1e-3 else f"{seconds:.3f} s"


def faster(factor: float) -> tuple[str, Callable[[float], bool]]:
    """At least so many times faster."""
    return f"{factor:g} times faster", lambda ratio: ratio >= factor


def within(factor: float) -> tuple[str, Callable[[float], bool]]:
    """At most so many times as long."""
    return f"at most {factor:g} times", lambda ratio: ratio <= factor


def nft_rows(small: int, large: int) -> Iterator[Row]:
    """iptables-nft."""
    kube, kube_change = kube_times(services(small, dense=True), "nft")
    for dense, word in ((True, "dense in a /16"), (False, "random in a /12")):
        loaded, _ = svcform_times(services(small, dense=dense), "nft")
        all_loaded, changed = svcform_times(services(large, dense=dense), "nft")
        yield Row(f"nft, load {small}, {word}", loaded, "kube-proxy", kube, *faster(30))
        yield Row(f"nft, load {large}, {word}", all_loaded, f"itself, {small}", loaded, *within(6))
        yield Row(f"nft, change 1 of {large}, {word}", changed, "50 ms", 0.05, *within(1))
        yield Row(
            f"nft, change 1 of {large}, {word}",
            changed,
            f"kube-proxy, {small}",
            kube_change,
            *faster(1),
        )


def legacy_rows(large: int) -> Iterator[Row]:
    """iptables-legacy."""
    kube, kube_change = kube_times(services(large, dense=True), "legacy")
    for dense, word in ((True, "dense in a /16"), (False, "random in a /12")):
        loaded, changed = svcform_times(services(large, dense=dense), "legacy")
        yield Row(f"legacy, load {large}, {word}", loaded, "kube-proxy", kube, *faster(6))
        yield Row(
            f"legacy, change 1 of {large}, {word}", changed, "kube-proxy", kube_change, *faster(3.5)
        )


def latency_rows(large: int, tries: int) -> Iterator[Row]:
    """First packets."""
    for variant in ("nft", "legacy"):
        one = first_packet(services(1, dense=True), variant, tries)
        for dense, word in ((True, "dense"), (False, "random")):
            last = first_packet(services(large, dense=dense), variant, tries)
            what = f"{variant}, handshake with the last of {large}, {word}"
            yield Row(what, last, "the only one of 1", one, *within(1.5))


def main() -> int:
    """Print the table; 1 if something asked for does not hold."""
    quick = "--quick" in sys.argv
    small, large, tries = (200, 1000, 300) if quick else (2000, 10000, 1000)
    print("| what | svcform | against | takes | ratio | asked for | holds |")
    print("|---|---|---|---|---|---|---|")
    lines = []
    for rows in (nft_rows(small, large), legacy_rows(large), latency_rows(large, tries)):
        for row in rows:
            lines.append(row.text())
            print(lines[-1], flush=True)
    return any(line.endswith("NO |") for line in lines)


if __name__ == "__main__":
    sys.exit(main())
