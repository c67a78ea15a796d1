"""A node that boots has its Services again, and never half of an apply."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time

import pytest
import yaml

from svcform.lab import lab as labs
from svcform.lab.spec import EndpointSpec, LabSpec, NodeSpec
from tests.fleet.projects import Project

pytestmark = pytest.mark.root

NODE = "node-1"
STATE = "/var/lib/svcform"
#: All of svcform's in the kernel, and what its disk says.
LOOK = f"""
for tool in iptables-nft ip6tables-nft; do $tool-save | grep SVCFORM; done; echo
cat /proc/sys/net/ipv4/ip_forward
ip route
cat {STATE}/services.tsv {STATE}/project
ls /etc/init.d/svcform* /etc/rc?.d/*svcform*
"""
#: The reading is packed by gzip, the read-back in the middle of a run too: there it stands still.
SLOW_GZIP = f"""
cp /usr/bin/gzip /root/gzip
cat >/root/slow-gzip <<'END'
#!/bin/sh
set -- /root/gzip "$@"
for journal in {STATE}/runs/*/journal; do
	[ ! -e "$journal" ] || [ -e "${{journal%/*}}/outcome" ] ||
		{{ : >/root/in-the-middle; sleep 60; }}
done
exec "$@"
END
chmod 755 /root/slow-gzip
rm -f /root/in-the-middle
mount --bind /root/slow-gzip "$(readlink -f /usr/bin/gzip)"
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """One node without a default route, which needs a route for its Services."""
    directory = tmp_path_factory.mktemp("boot") / "lab"
    nodes = (NodeSpec(name=NODE, default_route=False),)
    endpoints = tuple(EndpointSpec(name=f"endpoint-{i}", node=NODE) for i in range(2))
    yield labs.up(LabSpec(directory=directory, nodes=nodes, endpoints=endpoints))
    labs.down(directory)


@pytest.fixture
def project(lab, tmp_path):
    made = Project(tmp_path / "project")
    write(made, lab, 1)
    shutil.copy(lab.directory / "known_hosts", made.path / "known_hosts")
    yield made
    said = made.svcform("destroy", "--auto-approve")
    assert said.code == 0, said.err
    assert look(lab, f"ls {STATE} /etc/init.d/svcform* /etc/rc?.d/*svcform*") == ""


def write(project, lab, endpoints):
    inventory = yaml.safe_load(lab.inventory().read_text())
    places = [f"{lab.addresses(f'endpoint-{i}')[0]}@{NODE}" for i in range(endpoints)]
    project.write(inventory, places)


def look(lab, script=LOOK):
    return lab.run(NODE, ["sh", "-c", script]).stdout.decode()


def apply(project, *more):
    said = project.svcform("apply", "--auto-approve", *more)
    assert said.code == 0, said.err


def reboot_in_the_middle(lab, project):
    """Reboot while the steps are done and the read-back is not."""
    lab.run(NODE, ["sh", "-c", SLOW_GZIP])
    command = [sys.executable, "-m", "svcform", "apply", "--auto-approve"]
    with subprocess.Popen(
        command, cwd=project.path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        deadline = time.monotonic() + 90
        while not look(lab, "ls /root/in-the-middle 2>/dev/null"):
            assert time.monotonic() < deadline, "the run did not come to its middle"
            time.sleep(0.1)
        process.kill()
    lab.reboot(NODE)


def test_a_reboot_changes_nothing(lab, project):
    apply(project)
    before = look(lab)
    assert "SVCFORM" in before
    assert "dev lo" in before
    lab.reboot(NODE)
    assert look(lab) == before
    assert project.svcform("plan", "--detailed-exitcode").code == 0
    assert look(lab, f"ls {STATE}/runs; cat {STATE}/lock 2>/dev/null") == ""


def test_a_reboot_in_the_middle_of_the_first_apply_leaves_nothing(lab, project):
    look(lab, "echo 0 >/proc/sys/net/ipv4/ip_forward")
    reboot_in_the_middle(lab, project)
    found = look(lab)
    assert "SVCFORM" not in found
    assert "svcform" not in found
    assert "dev lo" not in found
    assert "The run ended in the middle." in look(lab, f"cat {STATE}/receipts/*")
    apply(project)


def test_a_reboot_in_the_middle_of_an_apply_goes_back(lab, project):
    apply(project)
    before = look(lab)
    write(project, lab, 2)
    reboot_in_the_middle(lab, project)
    assert look(lab) == before
    assert "The run ended in the middle." in look(lab, f"cat {STATE}/receipts/*")
    assert look(lab, f"cat {STATE}/lock 2>/dev/null") == ""
    assert project.svcform("plan", "--detailed-exitcode").code == 2
    apply(project)
    assert look(lab) != before


def test_rules_that_a_firewall_flushed_come_back_and_equal_ones_are_left_alone(lab, project):
    apply(project)
    before = look(lab)
    look(lab, "iptables-nft -t nat -F; iptables-nft -t nat -X; ip route del 10.96.0.0/16")
    assert look(lab) != before
    look(lab, "/etc/init.d/svcform restart")
    assert look(lab) == before
    counted = "iptables-nft-save -c -t nat | grep -- '-A OUTPUT'"
    look(lab, "iptables-nft -t nat -Z OUTPUT; ping -c 1 -W 1 192.0.2.200")
    counters = look(lab, counted)
    look(lab, "/etc/init.d/svcform-late start")
    assert look(lab, counted) == counters
    assert look(lab, f"ls -d {STATE}/runs/restore.*") == ""


def test_a_unit_that_somebody_took_away_is_drift(lab, project):
    apply(project)
    look(lab, "update-rc.d -f svcform remove; echo '# x' >>/etc/init.d/svcform-late")
    said = project.svcform("plan", "--detailed-exitcode")
    assert said.code == 2
    assert "~ host boot units (2)  svcform, svcform-late\n" in said.out
    apply(project)
    assert project.svcform("plan", "--detailed-exitcode").code == 0


def test_a_restore_that_fails_says_so(lab, project):
    apply(project)
    look(
        lab, f"printf '%s\\n' '10.97.0.0/16 dev nowhere proto 83' >>{STATE}/confirmed/host/routes4"
    )
    done = lab.run(NODE, ["sh", f"{STATE}/runner", "restore"])
    assert done.returncode == 5
    assert done.stderr.decode().startswith("The confirmed state could not be put back.")
    assert look(lab, f"ls -d {STATE}/lock {STATE}/runs/restore.* 2>/dev/null") == ""
    assert "restore failed" in look(lab, "cat /var/log/syslog")


def test_a_node_with_nothing_confirmed_does_nothing(lab, project):
    apply(project)
    look(lab, f"cp {STATE}/runner /root/runner")
    assert project.svcform("destroy", "--auto-approve").code == 0
    done = lab.run(NODE, ["sh", "/root/runner", "restore", "boot"])
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert look(lab, f"ls -d {STATE}") == ""
