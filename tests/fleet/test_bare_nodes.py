"""Nodes that have only the tools of iptables mode, of one variant, and nothing that is optional."""

from __future__ import annotations

import shutil

import pytest
import yaml

from svcform.lab import lab as labs
from svcform.lab.spec import EndpointSpec, LabSpec, NodeSpec
from tests.fleet.projects import Project

pytestmark = pytest.mark.root

OPTIONAL = ("nft", "ipset", "ipvsadm", "haproxy", "nginx", "coredns", "conntrack", "logger",
            "setsid", "systemd-run", "gzip")  # fmt: skip


def _variant(name):
    """The programs of a variant of iptables."""
    return (
        f"xtables-{name}-multi",
        *(f"{ip}tables-{name}{end}" for ip in ("ip", "ip6") for end in ("", "-save", "-restore")),
    )


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A node with each variant of iptables alone."""
    directory = tmp_path_factory.mktemp("bare") / "lab"
    nodes = tuple(
        NodeSpec(name=f"only-{has}", missing_tools=(*OPTIONAL, *_variant(lacks)))
        for has, lacks in (("nft", "legacy"), ("legacy", "nft"))
    )
    endpoints = tuple(EndpointSpec(name=f"endpoint-{i}", node="only-nft") for i in range(2))
    made = labs.up(LabSpec(directory=directory, nodes=nodes, endpoints=endpoints))
    for name in ("iptables", "ip6tables"):
        for end in ("", "-save", "-restore"):
            target = f"/usr/sbin/{name}-legacy{end}"
            made.run("only-legacy", ["ln", "-sf", target, f"/etc/alternatives/{name}{end}"])
    yield made
    labs.down(directory)


@pytest.fixture
def project(lab, tmp_path):
    made = Project(tmp_path)
    places = [f"{lab.addresses(f'endpoint-{i}')[0]}@only-nft" for i in range(2)]
    made.write(yaml.safe_load(lab.inventory().read_text()), places)
    shutil.copy(lab.directory / "known_hosts", made.path / "known_hosts")
    return made


def test_a_state_folder_that_is_read_only_is_named_so(lab, project):
    """And nothing is said of Services where no node was changed."""
    folder = "/var/lib/svcform"
    script = f"mount --bind {folder} {folder} && mount -o remount,bind,ro {folder}"
    assert lab.run("only-nft", ["sh", "-c", script]).returncode == 0
    try:
        done = project.svcform("apply", "--auto-approve", "-l", "only-nft")
    finally:
        lab.run("only-nft", ["umount", folder])
    assert f"can be written in {folder}: Read-only file system." in done.out, done.out + done.err
    assert (done.code, "No Services" in done.out) == (5, False)


def test_a_node_without_any_tool_of_other_modes_is_planned_again_and_again(project):
    """What an apply leaves on a node is never taken for a trace of a mode that it never had."""
    for change in ("apply", "destroy"):
        done = project.svcform(change, "--auto-approve")
        assert done.code == 0, done.out + done.err
        again = project.svcform(*(("plan",) if change == "apply" else ("plan", "--destroy")))
        assert (again.code, "No changes" in again.err + again.out) == (0, True), again.err
