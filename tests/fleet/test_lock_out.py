"""Plans that would cut off who manages a node: refused, and survived where they aren't."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest
import yaml

from svcform.lab import lab as labs
from svcform.lab.spec import EndpointSpec, LabSpec, NodeSpec
from tests.fleet.projects import Project

pytestmark = pytest.mark.root

IMPATIENT = ("--confirm-timeout", "3", "--run-timeout", "20", "--timeout", "3")
TAKES_SSH = """\
apiVersion: v1
kind: Service
metadata: {{name: greedy}}
spec:
  selector: {{app: web}}
  externalIPs: [{address}]
  ports: [{{port: {port}, targetPort: http}}]
---
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    directory = tmp_path_factory.mktemp("lock-out") / "lab"
    yield labs.up(
        LabSpec(
            directory=directory,
            nodes=(NodeSpec(name="n1"),),
            endpoints=(EndpointSpec(name="e1", node="n1"),),
        )
    )
    labs.down(directory)


@pytest.fixture
def write(lab, tmp_path):
    """A project with a Service on a port of the node's own address."""

    def made(port, **settings):
        project = Project(tmp_path)
        inventory = yaml.safe_load(lab.inventory().read_text())
        project.write(inventory, [f"{lab.addresses('e1')[0]}@n1"] * 1, **settings)
        web = tmp_path / "services/web.yml"
        greedy = TAKES_SSH.format(address=lab.addresses("n1")[0], port=port)
        web.write_text(greedy + web.read_text().replace("replicas: 3", "replicas: 1"))
        (tmp_path / "known_hosts").write_bytes((lab.directory / "known_hosts").read_bytes())
        return project

    return made


def has_rules(lab):
    return b"SVCFORM" in lab.run("n1", ["iptables-save"]).stdout


def wait_until(condition, seconds):
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.2)


def runners(lab):
    return lab.run("n1", ["pgrep", "-f", "/var/lib/svcform/runs"]).stdout.split()


def test_a_plan_that_takes_the_port_of_sshd_is_refused_with_the_rule(lab, write):
    project = write(22)

    planned = project.svcform("plan")
    applied = project.svcform("apply", "--auto-approve")

    assert (planned.code, applied.code) == (7, 7)
    assert "SVC504" in planned.out
    flat = " ".join(planned.out.split())
    assert f"-> {lab.addresses('n1')[0]}:22) would go to {lab.addresses('e1')[0]}:8080" in flat
    assert "for it is a frontend of default/greedy" in flat
    assert f"-p tcp -j DNAT --to-destination {lab.addresses('e1')[0]}:8080" in flat
    assert "Nothing was touched" in applied.err
    assert not has_rules(lab)


def test_a_listed_connection_is_kept_and_others_are_free(lab, write):
    flow = f"tcp://203.0.113.0/24 -> {lab.addresses('n1')[0]}:8443"

    refused = write(8443, management_flows=[flow]).svcform("plan", "-o", "json").json()
    elsewhere = write(8444, management_flows=[flow]).svcform("plan")
    unlisted = write(8443).svcform("plan")

    assert [finding["code"] for finding in refused["refusals"]] == ["SVC504"]
    assert flow in refused["refusals"][0]["detail"]
    assert (refused["exit_code"], elsewhere.code, unlisted.code) == (7, 0, 0)


def test_what_locks_out_undoes_itself(lab, write):
    project = write(22)

    said = project.svcform("apply", "--auto-approve", "--allow-lockout", *IMPATIENT)

    assert said.code == 5, said.err
    wait_until(lambda: not has_rules(lab), 30)
    wait_until(lambda: not runners(lab), 60)
    assert project.svcform("plan", "--allow-lockout", "--detailed-exitcode").code == 2


def test_it_does_so_while_the_controller_is_dead(lab, write):
    project = write(22)
    kept = {"PATH": os.environ["PATH"], "HOME": str(project.path)}
    words = ("apply", "--auto-approve", "--allow-lockout", *IMPATIENT)
    controller = subprocess.Popen(
        [sys.executable, "-m", "svcform", *words],
        cwd=project.path,
        env={**kept, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_until(lambda: has_rules(lab), 30)

    assert runners(lab)
    controller.kill()
    controller.wait()

    wait_until(lambda: not has_rules(lab), 30)
    wait_until(lambda: not runners(lab), 60)
    assert project.svcform("plan", "--allow-lockout", "--detailed-exitcode").code == 2
