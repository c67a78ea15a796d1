"""Zones change a hundred times on two nodes, while a client floods both with questions."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from svcform.lab.lab import Lab
from tests.coredns.asking import Question
from tests.coredns.node import Node
from tests.coredns.site import NODES
from tests.coredns.test_properties import PLAIN
from tests.coredns.worlds import ZONE, Object, World
from tests.flow.under_test import observe

pytestmark = pytest.mark.root
CHANGES = 100
#: Every so often a name goes, or comes back.
BLINKS = 10
ENDPOINTS = 12
STEADY = 200


@dataclass(frozen=True, slots=True)
class LabNode:
    """A node of the lab, where commands run as in an arena."""

    lab: Lab
    name: str

    def exec(self, *argv: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run a command on the node, both streams captured."""
        return self.lab.run(self.name, argv, given=given)

    def run(self, *argv: str, given: bytes = b"") -> str:
        """Run a command that has to succeed."""
        done = self.exec(*argv, given=given)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()


def crowd(generation: int) -> list[str]:
    """The endpoints of the headless Service."""
    return [f"10.245.{generation}.{n}" for n in range(1, ENDPOINTS + 1)]


def blinks(generation: int) -> bool:
    """Whether the Service that comes and goes is there."""
    return generation // BLINKS % 2 == 1


def world(generation: int) -> World:
    """Two Services whose records are new in each generation, and many that stay.

    What is new is in no reverse zone: records that go would be a step of their own, and a second.
    """
    services = [_service("single", f"10.97.1.{generation}"), _service("crowd", "None")]
    services += [_service(f"steady-{n}", f"10.96.2.{n}") for n in range(STEADY)]
    if blinks(generation):
        services.append(_service("blink", "10.96.3.1"))
    port = {"name": "http", "protocol": "TCP", "port": 8080}
    endpoints = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "crowd",
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": "crowd"},
        },
        "addressType": "IPv4",
        "ports": [port],
        "endpoints": [
            {"addresses": [address], "conditions": {}, "hostname": f"crowd-{n}"}
            for n, address in enumerate(crowd(generation))
        ],
    }
    return World(objects=(*services, endpoints), options=PLAIN)


def _service(name: str, address: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "clusterIP": address,
            "clusterIPs": [address],
            "ipFamilies": ["IPv4"],
            "ports": [{"name": "http", "protocol": "TCP", "port": 80}],
            "type": "ClusterIP",
        },
    }


def allowed(name: str) -> dict[str, list[int]]:
    """The answers that a name may have, each with the generations that have it."""
    found: dict[str, list[int]] = {}
    for generation in range(CHANGES + 1):
        if name == "single":
            answer = f"0 10.97.1.{generation}"
        elif name == "crowd":
            answer = " ".join(["0", *sorted(crowd(generation))])
        elif name == "blink":
            answer = "0 10.96.3.1" if blinks(generation) else "3"
        else:
            answer = f"0 10.96.2.{name.removeprefix('steady-')}"
        found.setdefault(answer, []).append(generation)
    return found


def test_every_answer_is_a_whole_old_or_new_one_while_zones_change_a_hundred_times(lab: Lab):
    """Behind each change both nodes serve its serial, one and the same, later than all before."""
    nodes = [_node(lab, name) for name in NODES]
    servers = [lab.addresses(name)[0] for name in NODES]
    names = ["single", "crowd", "blink", "steady-0", f"steady-{STEADY - 1}"]
    serials = []
    with ThreadPoolExecutor(len(nodes)) as pool:

        def apply(wanted: World) -> None:
            highest = max(pool.map(lambda node: node.serial(), nodes))
            list(pool.map(lambda node: node.apply(wanted, highest=highest), nodes))
            served = set(pool.map(lambda server: _served(lab, server), servers))
            assert len(served) == 1
            serials.extend(served)

        apply(world(0))
        flood = _start(lab, servers, names)
        try:
            for generation in range(1, CHANGES + 1):
                apply(world(generation))
        finally:
            said, _ = flood.communicate(timeout=60)
    found = json.loads(said)

    for name in names:
        seen = set(found["seen"][f"{name}.default.svc.{ZONE}"])
        assert seen <= allowed(name).keys(), name
    assert len(found["seen"][f"single.default.svc.{ZONE}"]) > 0.95 * CHANGES
    assert found["asked"] > 200 * CHANGES
    assert serials == sorted(set(serials))
    for node in nodes:
        assert node.serial() == serials[-1]
        assert node.plan(world(CHANGES))[0] == ()
        node.apply(world(CHANGES), absent=True)


def _node(lab: Lab, name: str) -> Node:
    machine = LabNode(lab, name)
    listen = lab.addresses(name)[:1]
    return Node(machine=machine, facts=observe(machine).facts, program="coredns", listen=listen)


def _start(lab: Lab, servers: Sequence[str], names: Sequence[str]) -> subprocess.Popen[str]:
    program = str(Path(__file__).with_name("flood.py"))
    argv = lab.command("client", [sys.executable, program, "53", *servers])
    flood = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert flood.stdin
    flood.stdin.write("".join(f"{name}.default.svc.{ZONE}\n" for name in names) + "\n")
    flood.stdin.flush()
    return flood


def _served(lab: Lab, server: str) -> int:
    argv = ["dig", f"@{server}", "+short", "+tries=1", *Question(ZONE, "SOA")]
    return int(lab.run("client", argv).stdout.split()[2])
