"""Nodes that fail in all the ways that nodes fail, beside others that don't."""

from __future__ import annotations

import shutil

import pytest
import yaml

from svcform.lab import lab as labs
from svcform.lab.spec import EndpointSpec, LabSpec, NodeSpec
from tests.fleet.projects import Project

pytestmark = pytest.mark.root

GOOD = ("good-1", "good-2")
PROGRAMS = ("iptables", "ip6tables", "iptables-nft", "ip6tables-nft", "iptables-legacy",
            "ip6tables-legacy", "iptables-save", "ip6tables-save", "iptables-restore",
            "ip6tables-restore", "iptables-nft-save", "iptables-nft-restore",
            "ip6tables-nft-save", "ip6tables-nft-restore", "iptables-legacy-save",
            "iptables-legacy-restore", "ip6tables-legacy-save", "ip6tables-legacy-restore",
            "xtables-nft-multi", "xtables-legacy-multi")  # fmt: skip


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Two sound nodes, and one for each fault."""
    directory = tmp_path_factory.mktemp("fleet") / "lab"
    nodes = (
        *(NodeSpec(name=name) for name in GOOD),
        NodeSpec(name="down"),
        NodeSpec(name="password", become_password="hunter2"),
        NodeSpec(name="other-key"),
        NodeSpec(name="no-iptables", missing_tools=PROGRAMS),
        NodeSpec(name="taken"),
        NodeSpec(name="reinstalled"),
    )
    endpoints = tuple(EndpointSpec(name=f"endpoint-{i}", node="good-1") for i in range(3))
    yield labs.up(LabSpec(directory=directory, nodes=nodes, endpoints=endpoints))
    labs.down(directory)


@pytest.fixture
def inventory(lab):
    """The lab's inventory, with nobody behind the port of the node that is down."""
    read = yaml.safe_load(lab.inventory().read_text())
    read["all"]["children"]["lab"]["hosts"]["down"]["ansible_port"] = 1
    return read


@pytest.fixture
def project(lab, inventory, tmp_path):
    made = Project(tmp_path / "project")
    made.write(inventory, [f"{lab.addresses(f'endpoint-{i}')[0]}@good-1" for i in range(3)])
    shutil.copy(lab.directory / "known_hosts", made.path / "known_hosts")
    yield made
    # Other tests find the lab as it was made.
    shutil.copy(lab.directory / "known_hosts", made.path / "known_hosts")
    limit = ",".join((*GOOD, "password", "taken", "reinstalled"))
    said = made.svcform("destroy", "--auto-approve", "-l", limit,
                        "--become-password-file", _password(made))  # fmt: skip
    assert said.code in {0, 7, 8}, said.err


def _password(project):
    file = project.path / "password"
    file.write_text("hunter2\n")
    return str(file)


def _change_host_key(project, name):
    """Pin another key of the lab's for a node: what a changed host key looks like."""
    file = project.path / "known_hosts"
    inventory = yaml.safe_load((project.path / "inventory.yml").read_text())
    hosts = inventory["all"]["children"]["lab"]["hosts"]
    keys = dict(line.split(" ", 1) for line in file.read_text().splitlines())
    mine, other = (
        next(k for k in keys if k.startswith(f"[127.0.0.1]:{hosts[n]['ansible_port']},"))
        for n in (name, "good-1")
    )
    keys[mine] = keys[other]
    file.write_text("".join(f"{names} {key}\n" for names, key in keys.items()))


def _take(lab, project, tmp_path):
    """Let another project apply to the node ``taken`` first."""
    other = Project(tmp_path / "other")
    inventory = yaml.safe_load((project.path / "inventory.yml").read_text())
    other.write(inventory, ["10.244.9.9@taken"])
    shutil.copy(lab.directory / "known_hosts", other.path / "known_hosts")
    said = other.svcform("apply", "--auto-approve", "-l", "taken")
    assert said.code == 0, said.err + said.out
    return other


def test_each_node_is_reported_in_its_own_words_and_the_others_are_done(lab, project, tmp_path):
    """One run meets every fault; the sound nodes are applied, the exit code is 8."""
    _change_host_key(project, "other-key")
    other = _take(lab, project, tmp_path)
    try:
        planned = project.svcform("plan", "-o", "json", "-l", "all:!reinstalled")
        problems = {n["name"]: n["problem"] for n in planned.json()["nodes"]}

        assert planned.code == 7
        assert {name for name, problem in problems.items() if not problem} == {*GOOD}
        assert {name: p["reason"] for name, p in problems.items() if p} == {
            "down": "unreachable",
            "password": "become",
            "other-key": "host-key",
            "no-iptables": "tool-missing",
            "taken": "ownership",
        }
        assert "apt" in problems["no-iptables"]["remedy"]
        assert "iptables" in problems["no-iptables"]["remedy"]
        assert "trust --replace other-key" in problems["other-key"]["remedy"]
        assert "password" in (problems["password"]["message"] + problems["password"]["remedy"])

        applied = project.svcform(
            "apply", "--auto-approve", "--allow-unreachable", "-l", "all:!reinstalled"
        )

        assert applied.code == 8, applied.err + applied.out
        again = project.svcform("plan", "--detailed-exitcode", "-l", "good-*")
        assert again.code == 0, again.out
    finally:
        other.svcform("destroy", "--auto-approve", "-l", "taken")


def test_sudo_takes_the_password_of_a_file(project):
    said = project.svcform("apply", "--auto-approve", "-l", "password",
                           "--become-password-file", _password(project))  # fmt: skip

    assert said.code == 0, said.err
    assert "hunter2" not in said.out + said.err


def test_a_user_who_is_not_root_is_told_to_become_it(project):
    said = project.svcform("plan", "-l", "good-1", "-e", "ansible_become=false", "-o", "json")

    (node,) = said.json()["nodes"]
    assert said.code == 4
    assert node["problem"]["reason"] == "reading-failed"
    assert "only root" in node["problem"]["message"]
    assert "ansible_become" in node["problem"]["remedy"]


def test_a_machine_reinstalled_since_the_plan_is_refused_and_the_others_are_done(lab, project):
    """Its host key is the same, its machine-id isn't."""
    names = ",".join((*GOOD, "reinstalled"))
    planned = project.svcform("plan", "--out", "plan.svcform", "-l", names)
    assert planned.code == 0, planned.err
    lab.run("reinstalled", ["sh", "-c", "echo 0123456789abcdef0123456789abcdef > /etc/machine-id"])

    applied = project.svcform("apply", "plan.svcform", "-o", "json")

    results = {node["name"]: node for node in applied.json()["nodes"]}
    assert applied.code == 8
    assert {results[name]["outcome"] for name in GOOD} == {"applied"}
    assert results["reinstalled"]["outcome"] == "refused"
    assert "another machine" in results["reinstalled"]["message"]


def test_ssh_from_a_stranger_is_not_trusted_in_ci(project):
    """Where CI is set nothing is ever trusted, and the message says what to do."""
    (project.path / "known_hosts").unlink()

    said = project.svcform("trust", CI="true")
    planned = project.svcform("plan", "--no-locked", "-l", "good-1", CI="true")

    assert said.code == 1
    assert planned.code == 4
    assert "svcform trust" in planned.out + planned.err
