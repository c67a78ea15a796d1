"""A user whom sudo allows one command, which reads the node: enough for a plan, and no more."""

from __future__ import annotations

import shutil

import pytest
import yaml

from svcform.lab import lab as labs
from svcform.lab.spec import EndpointSpec, LabSpec, NodeSpec
from tests.fleet.projects import Project

pytestmark = pytest.mark.root

READING = "/var/lib/svcform/reading"
SUDOERS = f"Defaults env_reset\nops ALL=(root) NOPASSWD: /bin/sh {READING}\n"


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    directory = tmp_path_factory.mktemp("reading") / "lab"
    endpoints = tuple(EndpointSpec(name=f"endpoint-{i}", node="node-1") for i in range(3))
    nodes = (NodeSpec(name="node-1"), NodeSpec(name="new"))
    yield labs.up(LabSpec(directory=directory, nodes=nodes, endpoints=endpoints))
    labs.down(directory)


@pytest.fixture(scope="module")
def project(lab, tmp_path_factory):
    """Applied on one node by a user who may do everything; then sudo allows one command only."""
    made = Project(tmp_path_factory.mktemp("project"))
    addresses = [f"{lab.addresses(f'endpoint-{i}')[0]}@node-1" for i in range(3)]
    made.write(yaml.safe_load(lab.inventory().read_text()), addresses)
    shutil.copy(lab.directory / "known_hosts", made.path / "known_hosts")
    said = made.svcform("apply", "--auto-approve", "-l", "node-1")
    assert said.code == 0, said.err
    for node in ("node-1", "new"):
        on(lab, node, "umask 337; cat >/etc/sudoers.new; mv /etc/sudoers.new /etc/sudoers", SUDOERS)
        on(lab, node, "visudo -c")
    return made


def on(lab, node, script, given=""):
    done = lab.run(node, ["sh", "-c", script], given=given.encode())
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def test_a_plan_needs_no_more_than_the_one_command(project):
    said = project.svcform("plan", "--detailed-exitcode", "-l", "node-1")
    assert said.code == 0, said.out + said.err
    web = project.path / "services/web.yml"
    before = web.read_text()
    web.write_text(before.replace("type: NodePort", "type: NodePort\n  sessionAffinity: ClientIP"))
    said = project.svcform("plan", "--detailed-exitcode", "-l", "node-1")
    web.write_text(before)
    assert said.code == 2, said.out + said.err
    assert "default/web" in said.out


def test_get_reads_as_well(project):
    said = project.svcform("get", "-l", "node-1")
    assert said.code == 0, said.out + said.err
    assert "web" in said.out


def test_an_apply_is_refused_and_changes_nothing(lab, project):
    before = on(lab, "node-1", "iptables-save | grep SVCFORM")
    said = project.svcform("destroy", "--auto-approve", "--allow-deletions", "-l", "node-1")
    assert said.code not in {0, 2}
    assert "sudo" in said.out + said.err
    assert on(lab, "node-1", "iptables-save | grep SVCFORM") == before


def test_the_user_can_neither_replace_the_script_nor_lead_it_astray(lab):
    """What root runs is root's, and it looks into its own folder only."""
    assert on(lab, "node-1", f"stat -c '%U %a' {READING} {READING.rpartition('/')[0]}").split() == [
        *("root", "600"),
        *("root", "700"),
    ]
    answer = on(
        lab,
        "node-1",
        "mkdir /tmp/mine && echo stolen >/tmp/mine/project; "
        f"printf 'ab\\nplain\\n' | SVCFORM_STATE=/tmp/mine sh {READING}",
    )
    assert "state.project" in answer
    assert "stolen" not in answer


def test_a_node_that_was_never_applied_is_refused_in_sudos_own_words(project):
    said = project.svcform("plan", "-o", "json", "-l", "new")
    assert said.code == 4
    (node,) = said.json()["nodes"]
    assert node["problem"]["reason"] == "become"
    assert "password is required" in node["problem"]["message"]


def test_the_script_of_another_version_is_refused_by_name(lab, project):
    on(lab, "node-1", f"sed -i 's/^echo svcform-installed .*/echo svcform-installed 0/' {READING}")
    said = project.svcform("plan", "-o", "json", "-l", "node-1")
    assert said.code == 4
    (node,) = said.json()["nodes"]
    assert "another version" in node["problem"]["message"]
    assert "Apply once" in node["problem"]["remedy"]
