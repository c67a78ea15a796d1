"""The lab's nodes that run under the machine's own systemd."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from svcform.lab import lab as labs
from svcform.lab.systemd import cgroup_name
from tests.systemd.edge import make_edge, spec

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("systemd") / "lab"


@pytest.fixture(scope="module")
def lab(directory, firewalls):
    yield labs.up(spec(directory, firewalls, ("node-1",)))
    labs.down(directory)


@pytest.fixture
def node(lab, tmp_path):
    return make_edge(lab, "node-1", tmp_path / "project")


def _cgroups(directory):
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    folders = [Path(target) for _, target, kind, *_ in mounts if kind == "cgroup2"]
    return [x for f in folders for x in f.glob(cgroup_name(directory, "*"))]


def test_a_node_boots_all_of_what_it_should(node):
    """No unit failed, and logind knows of a session over SSH."""
    assert node.run("systemctl", "is-system-running") == "running\n"
    assert node.run("cat", "/proc/1/comm") == "systemd\n"
    assert "ops" in node.ssh("loginctl", "list-sessions", "--no-legend")
    assert "/user.slice/user-1500.slice/session-" in node.ssh("cat", "/proc/self/cgroup")


def test_a_node_cannot_change_the_hosts_settings(lab, node):
    """Its network's settings are its own, all others are the host's."""
    node.sh("echo 1 >/proc/sys/net/ipv4/ip_forward")
    refused = lab.run("node-1", ["sh", "-c", "echo 1 >/proc/sys/vm/swappiness"])

    assert b"Read-only file system" in refused.stderr


def test_a_reboot_is_a_boot(lab, node):
    """Files stay; processes, /run and the boot id are new."""
    before = node.run("cat", "/proc/sys/kernel/random/boot_id")
    node.sh("touch /etc/kept /run/lost; systemd-run -q sleep 1000")

    lab.reboot("node-1")

    assert node.run("systemctl", "is-system-running") == "running\n"
    assert node.run("cat", "/proc/sys/kernel/random/boot_id") != before
    node.sh("test -e /etc/kept && test ! -e /run/lost && ! pgrep -x sleep")
    assert node.ssh("id", "-un") == "ops\n"


def test_nothing_of_a_node_stays_behind(tmp_path, firewalls):
    """Taken down, or killed and then taken down: its control groups go, too."""
    directory = tmp_path / "lab"
    lab = labs.up(spec(directory, firewalls, ("node-1",)))
    assert _cgroups(directory)
    subprocess.run(["kill", "-KILL", str(lab.state["pid"])], check=True)

    labs.down(directory)

    assert not _cgroups(directory)
    assert not directory.exists()
