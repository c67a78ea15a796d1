"""Nodes as they are found in the field: Services work there, or the plan says by name why not."""

from __future__ import annotations

import shutil
import sys
from collections import Counter

import pytest
import yaml

from svcform.lab import lab as labs
from svcform.lab.spec import EndpointSpec, LabSpec, NodeSpec
from tests.fleet.projects import Project

pytestmark = pytest.mark.root

NODES = ("forward-drop", "no-route", "foreign-table")


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    directory = tmp_path_factory.mktemp("hosts") / "lab"
    nodes = (
        NodeSpec(name="forward-drop", forward_policy="DROP"),
        NodeSpec(name="no-route", default_route=False),
        NodeSpec(name="foreign-table", foreign_drop=True),
    )
    endpoints = tuple(
        EndpointSpec(name=f"{node}-pod-{i}", node=node) for node in NODES for i in (1, 2)
    )
    yield labs.up(LabSpec(directory=directory, nodes=nodes, endpoints=endpoints))
    labs.down(directory)


@pytest.fixture
def project(lab, tmp_path):
    made = Project(tmp_path / "project")
    inventory = yaml.safe_load(lab.inventory().read_text())
    placements = [f"{lab.addresses(f'{node}-pod-1')[0]}@{node}" for node in NODES[:2]]
    made.write(inventory, placements)
    shutil.copy(lab.directory / "known_hosts", made.path / "known_hosts")
    yield made
    said = made.svcform("destroy", "--auto-approve")
    assert said.code == 0, said.err


def _cluster_ip(project):
    text = (project.path / "svcform.lock.yml").read_text()
    return yaml.safe_load(text)["services"]["default/web"]["clusterIPs"][0]


def _ask(lab, place, address, port, count=12):
    """Who answers requests from a place of the lab, and how often."""
    said = lab.run(
        place, [sys.executable, "-m", "svcform.lab.ask", address, str(port), "TCP", str(count)]
    )
    return Counter(line.split()[0] for line in said.stdout.decode().splitlines())


def test_services_cross_a_forward_policy_of_drop(lab, project):
    """A pod reaches endpoints on all nodes whose own packets the node would drop."""
    assert project.svcform("apply", "--auto-approve", "-l", "forward-drop,no-route").code == 0

    answers = _ask(lab, "forward-drop-pod-2", _cluster_ip(project), 80)

    assert set(answers) == {"endpoint=forward-drop-pod-1", "endpoint=no-route-pod-1"}


def test_what_is_not_ours_is_still_dropped(lab, project):
    """The one jump accepts Services and nothing else."""
    assert project.svcform("apply", "--auto-approve", "-l", "forward-drop").code == 0

    direct = _ask(lab, "forward-drop-pod-2", lab.addresses("no-route-pod-1")[0], 8080, 1)

    assert set(direct) == {"error=timeout"}


def test_a_node_without_a_default_route_reaches_its_services(lab, project):
    """The node itself has no route to a clusterIP but the one that svcform gives it."""
    planned = project.svcform("plan", "-l", "no-route")
    assert "10.96.0.0/16" in planned.out
    assert project.svcform("apply", "--auto-approve", "-l", "no-route,forward-drop").code == 0

    answers = _ask(lab, "no-route", _cluster_ip(project), 80)

    assert not any(answer.startswith("error=") for answer in answers), answers


def test_a_foreign_table_that_drops_is_named_with_what_mends_it(lab, project):
    planned = project.svcform("plan", "-l", "foreign-table")

    rules = lab.run("foreign-table", ["nft", "list", "tables"]).stdout.decode().split()
    foreign = next(
        name for name in rules if name not in {"table", "ip", "ip6", "inet", "filter", "nat"}
    )
    assert foreign in planned.out + planned.err
    assert "nft " in planned.out + planned.err
