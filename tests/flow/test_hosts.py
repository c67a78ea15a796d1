"""Nodes whose own state stands in the way: Services work, or the plan says by name why not."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from svcform.lab import lab
from svcform.lab.lab import Lab
from svcform.lab.spec import EndpointSpec, LabSpec, NodeSpec
from svcform.model.settings import ProxyMode
from tests.flow.arena import Kind
from tests.flow.under_test import kind_for, proxies

pytestmark = pytest.mark.root
_SITE = """\
- name: lab
  hosts: lab
  vars: {service_cidrs: [10.96.0.0/16], proxy_mode: MODE}
  manifests: [../services/]
"""
_SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: NodePort
  clusterIP: 10.96.0.80
  ports: [{name: http, port: 80, nodePort: 30080}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints:
  - {addresses: [10.244.2.5], nodeName: lonely}
  - {addresses: [10.244.2.6], nodeName: lonely}
"""
_PLAIN = LabSpec(
    directory=Path(),
    nodes=(
        NodeSpec(name="dropping", forward_policy="DROP"),
        NodeSpec(name="lonely", default_route=False),
        NodeSpec(name="fortress", foreign_drop=True),
    ),
    endpoints=(
        EndpointSpec(name="asker", node="dropping"),
        EndpointSpec(name="first", node="lonely"),
        EndpointSpec(name="second", node="lonely"),
    ),
)


PROXIES = [backend for backend in proxies() if kind_for(backend) is Kind.NAMESPACE]


@pytest.fixture(scope="module", params=PROXIES, ids=lambda backend: backend.name)
def applied(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Lab, str]]:
    """The lab after an apply, and what the plan before it said."""
    project = tmp_path_factory.mktemp("hosts")
    site = _SITE.replace("MODE", request.param.mode.value)
    for name, text in (("playbooks/site.yml", site), ("services/web.yml", _SERVICE)):
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text(text)
    spec = LabSpec(directory=project / ".lab", nodes=_PLAIN.nodes, endpoints=_PLAIN.endpoints)
    try:
        built = lab.up(spec)
        said = _svcform(project, "plan")
        _svcform(project, "apply", "--auto-approve")
        yield built, said
    finally:
        lab.down(project / ".lab")


def _svcform(project: Path, *words: str) -> str:
    command = [sys.executable, "-m", "svcform", *words, "-i", ".lab/inventory.yml"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def _answers(built: Lab, place: str, frontend: tuple[str, str], count: int = 40) -> Counter[str]:
    ask = [sys.executable, "-m", "svcform.lab.ask", *frontend, "TCP", str(count)]
    lines = built.run(place, ask, timeout=120, machine=False).stdout.decode().splitlines()
    return Counter(line.split()[0] for line in lines)


@pytest.mark.parametrize(
    ("place", "frontend"),
    [
        ("client", ("192.168.99.11", "30080")),
        ("client", ("10.96.0.80", "80")),
        ("dropping", ("10.96.0.80", "80")),
        ("asker", ("10.96.0.80", "80")),
        ("second", ("10.96.0.80", "80")),
        ("lonely", ("10.96.0.80", "80")),
        ("lonely", ("192.168.99.11", "30080")),
    ],
)
def test_services_work_with_a_closed_forward_chain_and_without_a_default_route(
    applied: tuple[Lab, str], place: str, frontend: tuple[str, str]
):
    built, _ = applied

    assert set(_answers(built, place, frontend)) == {"endpoint=first", "endpoint=second"}


def test_the_plan_names_the_foreign_table_that_drops_and_the_command_that_mends_it(
    applied: tuple[Lab, str],
):
    """Where a program on the node makes the connections, nothing is forwarded."""
    built, said = applied
    site = (built.directory.parent / "playbooks/site.yml").read_text()
    command = "nft insert rule inet fortress forward ct status dnat accept"
    frontend = ("192.168.99.13", "30080")

    if f"proxy_mode: {ProxyMode.USERSPACE.value}" in site:
        assert command not in said
        assert set(_answers(built, "client", frontend)) == {"endpoint=first", "endpoint=second"}
        return
    assert command in said
    assert set(_answers(built, "client", frontend, count=1)) == {"error=timeout"}

    built.run("fortress", command.split())

    assert set(_answers(built, "client", frontend)) == {"endpoint=first", "endpoint=second"}
