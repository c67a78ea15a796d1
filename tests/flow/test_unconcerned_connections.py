"""Connections to Services that an apply does not concern never notice it."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from svcform.cli import main
from svcform.lab import lab as labs
from svcform.lab.lab import Lab
from svcform.lab.spec import EndpointSpec, LabSpec, NodeSpec
from tests.flow import changing, foreign
from tests.flow.changing import Behind, Changing
from tests.flow.crowd import Servers, Talkers, Target

pytestmark = pytest.mark.root

APPLIES = 100
CONNECTIONS = 10_000
SEED = 20_261_122
#: One node has only our rules, in nftables mode; the other one, in iptables mode, has everybody's.
ALONE, SHARED = "node-1", "node-2"
NODES = (ALONE, SHARED)
_FIREWALLD = """\
table inet firewalld {
	chain nat_PREROUTING { type nat hook prerouting priority dstnat + 10; policy accept; }
	chain nat_POSTROUTING { type nat hook postrouting priority srcnat + 10; policy accept; }
	chain filter_FORWARD { type filter hook forward priority filter + 10; policy accept;
		ct state established,related accept
		ct status dnat accept
		ct state invalid drop
	}
}
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    directory = tmp_path_factory.mktemp("unconcerned") / "lab"
    modes = {ALONE: (("proxy_mode", "nftables"),)}
    nodes = tuple(NodeSpec(name=name, variables=modes.get(name, ())) for name in NODES)
    places = [(f"{kind}-{node}", node) for node in NODES for kind in ("a", "b", "pod")]
    endpoints = tuple(EndpointSpec(name=name, node=node, listens=()) for name, node in places)
    made = labs.up(LabSpec(directory=directory, nodes=nodes, endpoints=endpoints))
    # Connections take source ports, and those that were closed keep theirs for a minute.
    for place in ("client", *(name for name, _ in places), *NODES):
        words = ["sysctl", "-qw", "net.ipv4.ip_local_port_range=10000 29999"]
        assert made.run(place, words, machine=False).returncode == 0
    yield made
    labs.down(directory)


@dataclass(frozen=True)
class _OnNode:
    """What :mod:`tests.flow.foreign` wants of an arena."""

    lab: Lab
    node: str

    def exec(self, *argv: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return self.lab.run(self.node, argv, given=given)

    def run(self, *argv: str, given: bytes = b"") -> str:
        done = self.exec(*argv, given=given)
        assert done.returncode == 0, done.stderr
        return done.stdout.decode()


class Project:
    """A project over the lab's nodes, whose steady Services stay as they are."""

    def __init__(self, lab: Lab, path: Path) -> None:
        self.path = path
        self.behind = [
            Behind(node=node, addresses=lab.addresses(f"{kind}-{node}"))
            for node in NODES
            for kind in ("a", "b")
        ]
        (path / "services").mkdir(parents=True)
        (path / "playbooks").mkdir()
        (path / "inventory.yml").write_bytes(lab.inventory().read_bytes())
        (path / "known_hosts").write_bytes((lab.directory / "known_hosts").read_bytes())
        play = {"name": "edge", "hosts": "all", "vars": dict(changing.SETTINGS)}
        site = yaml.safe_dump([{**play, "manifests": ["../services/"]}])
        (path / "playbooks/site.yml").write_text(site)
        self.write("steady", changing.steady(self.behind))

    def write(self, name: str, manifests: list[dict[str, Any]]) -> None:
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})
        (self.path / f"services/{name}.json").write_text(text)

    def apply(self) -> list[str]:
        """Apply over SSH, as the command does but for a new interpreter; each node's outcome."""
        told = io.StringIO()
        words = ["--auto-approve", "--allow-deletions", "--allow-renumber", "-o", "json"]
        with contextlib.redirect_stdout(told), contextlib.chdir(self.path):
            code = main.main(["apply", *words])
        assert code == 0, told.getvalue()[:2000]
        return [node["outcome"] for node in json.loads(told.getvalue())["nodes"]]


def _targets(lab: Lab, node: str) -> list[Target]:
    """All ways to the steady Services by way of a node: from outside, a pod, the node itself."""
    state = lab.state
    client, pod, own = (
        f"/proc/{state['pid']}/fd/{state['networks'][name]}"
        for name in ("client", f"pod-{node}", node)
    )
    found = []
    for family in (0, 1):
        here = lab.addresses(node)[family]
        ways = [
            *((own, changing.steady_vip(name, family), 80, name) for name in ("plain", "sticky")),
            *((pod, changing.steady_vip(name, family), 80, name) for name in changing.STEADY),
            (pod, changing.BALANCED[family], 80, "balanced"),
            (client, here, 30100, "node-port"),
            (client, here, 30102, "local"),
            (client, here, 30104, "balanced"),
        ]
        for place, address, port, name in ways:
            about = f"{name} at {address} {port}"
            found.append(Target(name=about, place=place, address=address, port=port))
            udp = port + 1 if port > 30000 else port
            one = Target(name=f"{about} UDP", place=place, address=address, port=udp, udp=True)
            found += [one] * 10
    return found


@pytest.fixture
def servers(lab: Lab) -> Iterator[None]:
    state = lab.state
    started = [
        Servers({e: f"/proc/{state['pid']}/fd/{state['networks'][e]}" for e in ends}, 8080)
        for ends in ([f"{kind}-{node}" for kind in ("a", "b")] for node in NODES)
    ]
    yield
    for each in started:
        each.end()


@pytest.fixture
def project(lab: Lab, tmp_path: Path) -> Project:
    on_shared = _OnNode(lab, SHARED)
    foreign.add_foreign_rules(on_shared)
    on_shared.run("nft", "-f", "-", given=_FIREWALLD.encode())
    return Project(lab, tmp_path / "project")


@pytest.fixture
def crowds(lab: Lab, servers: None, project: Project) -> Iterator[Callable[[], list[Talkers]]]:
    """Starts the connections by way of each node, once the steady Services are there."""
    started: list[Talkers] = []

    def start() -> list[Talkers]:
        started.extend(Talkers(_targets(lab, node), CONNECTIONS, SEED) for node in NODES)
        assert [failure for crowd in started for failure in crowd.ready().failures] == []
        return started

    yield start
    for each in started:
        each.end()


def test_ten_thousand_connections_outlast_many_applies(
    project: Project, crowds: Callable[[], list[Talkers]]
) -> None:
    """In nftables mode, and in iptables mode beside kube-proxy's, Docker's, firewalld's rules."""
    world = Changing(real=project.behind, random=Random(SEED))
    project.write("changing", world.manifests())
    project.apply()
    talking = crowds()
    changes, applies = world.changes(), 0
    while applies < APPLIES:
        what = next(changes)
        project.write("changing", world.manifests())

        if project.apply() != ["applied"] * len(NODES):
            continue  # such as an endpoint elsewhere of a Service with local ones only
        applies += 1
        for crowd in talking:
            crowd.ask(everybody=applies == APPLIES)
        told = [crowd.ready() for crowd in talking]
        assert [said.failures for said in told] == [()] * len(NODES), f"{applies}: {what}"
    for said in told:
        assert said.exchanges > 2 * CONNECTIONS + APPLIES * CONNECTIONS / 20
        assert said.opened > 10 * APPLIES
        assert said.retransmitted == 0
