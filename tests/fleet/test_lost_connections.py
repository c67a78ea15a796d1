"""Applies whose connection to the node is lost on the way: over real sshd, on a real wire."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml

from svcform.lab import lab as labs
from svcform.lab.spec import EndpointSpec, LabSpec, NodeSpec
from tests.fleet.projects import Project

pytestmark = pytest.mark.root

HANG_UP = r"""
for process in /proc/[0-9]*; do
    grep -aq '^sshd[^ ]*: .*@' $process/cmdline 2>/dev/null && kill -9 ${process#/proc/}
done
"""
IN_THE_MIDDLE = """
until [ -s "$(echo /var/lib/svcform/runs/*/journal)" ]; do sleep 0.01; done
kill -STOP $(cut -d ' ' -f 1 /var/lib/svcform/runs/*/worker)
"""
GO_ON = "kill -CONT $(cut -d ' ' -f 1 /var/lib/svcform/runs/*/worker)"
BEFORE_THE_CONFIRMATION = """
until [ -e /var/lib/svcform/runs/*/guard ]; do sleep 0.01; done
kill -STOP $(cut -d ' ' -f 1 /var/lib/svcform/runs/*/guard)
until [ -e /var/lib/svcform/runs/*/confirmed ]; do sleep 0.01; done
"""
LET_IT_DECIDE = "kill -CONT $(cut -d ' ' -f 1 /var/lib/svcform/runs/*/guard)"
LEFT = """
ls /var/lib/svcform/lock 2>/dev/null
grep -l svcform/run[s] /proc/[0-9]*/cmdline 2>/dev/null
"""
# A `cat` that never hears that its input ended: so it is with an sshd that hangs.
DEAF = r"""
mkdir -p /home/deaf
printf '#!/bin/sh\n[ $# = 0 ] || exec /bin/cat "$@"\n/bin/cat; exec sleep 60\n' >/home/deaf/cat
chmod 755 /home/deaf/cat
sed -i 's#secure_path="#&/home/deaf:#' /etc/sudoers
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    directory = tmp_path_factory.mktemp("lost") / "lab"
    yield labs.up(
        LabSpec(
            directory=directory,
            nodes=(NodeSpec(name="n1"),),
            endpoints=(EndpointSpec(name="e1", node="n1"),),
        )
    )
    labs.down(directory)


class Node:
    """A project over the lab's node, with a plan that brings it its first Service."""

    def __init__(self, lab, path):
        self.lab, self.project = lab, Project(path)
        inventory = yaml.safe_load(lab.inventory().read_text())
        self.project.write(inventory, [f"{lab.addresses('e1')[0]}@n1"])
        web = path / "services/web.yml"
        web.write_text(web.read_text().replace("replicas: 3", "replicas: 1"))
        (path / "known_hosts").write_bytes((lab.directory / "known_hosts").read_bytes())

    def on(self, script):
        done = self.lab.run("n1", ["sh", "-c", script])
        return done.stdout.decode()

    def applies(self, *words):
        """The apply, on its way in the background."""
        command = ("apply", "-o", "json", "--auto-approve", "--timeout", "3", *words)
        return ThreadPoolExecutor(max_workers=1).submit(self.project.svcform, *command)

    def has_services(self):
        return "SVCFORM" in self.on("iptables-save")

    def is_idle(self):
        """Nothing of svcform's runs, no lock is left, and a plan finds nothing to do."""
        limit = time.monotonic() + 60  # who is told how a run ends hears it before its last act
        while left := self.on(LEFT):
            assert time.monotonic() < limit, left
            time.sleep(0.2)
        return self.project.svcform("plan", "--detailed-exitcode").code == 0


@pytest.fixture
def node(lab, tmp_path):
    made = Node(lab, tmp_path)
    yield made
    lab.mend("n1")
    assert made.project.svcform("destroy", "--auto-approve").code == 0


def outcome(said):
    (result,) = said.json()["nodes"]
    return said.code, result["outcome"]


def message(said):
    return said.json()["nodes"][0]["message"]


def test_a_killed_sshd_session_does_not_end_the_apply(node):
    applying = node.applies()
    node.on(IN_THE_MIDDLE)
    node.on(HANG_UP)
    time.sleep(1)
    node.on(GO_ON)

    assert outcome(applying.result()) == (0, "applied")
    assert node.has_services()
    assert node.is_idle()


def test_a_cut_link_is_noticed_and_the_apply_goes_on_once_it_is_mended(node):
    applying = node.applies()
    node.on(IN_THE_MIDDLE)
    node.lab.cut("n1")
    node.on(GO_ON)
    time.sleep(12)
    assert not applying.done()
    node.lab.mend("n1")

    assert outcome(applying.result(timeout=60)) == (0, "applied")
    assert node.is_idle()


def test_a_node_that_stays_away_goes_back_and_is_said_to(node):
    begun = time.monotonic()
    applying = node.applies("--run-timeout", "4", "--confirm-timeout", "2")
    node.on(IN_THE_MIDDLE)
    node.lab.cut("n1")

    said = applying.result()

    assert outcome(said) == (5, "rolled-back")
    assert "n1 does not answer any more; waiting up to" in said.err
    assert "goes back to its state of before by itself" in message(said)
    assert time.monotonic() - begun < 60
    assert not node.has_services()


def test_a_connection_lost_while_it_is_confirmed(node):
    applying = node.applies()
    node.on(BEFORE_THE_CONFIRMATION)
    node.on(HANG_UP)
    node.on(LET_IT_DECIDE)

    assert outcome(applying.result()) == (0, "applied")
    assert node.is_idle()


def test_the_last_answer_of_a_node_that_is_emptied_is_lost(node):
    assert outcome(node.applies().result()) == (0, "applied")
    with ThreadPoolExecutor(max_workers=1) as pool:
        going = pool.submit(node.project.svcform, "destroy", "-o", "json", "--auto-approve")
        node.on(BEFORE_THE_CONFIRMATION)
        node.on(HANG_UP)
        node.on(LET_IT_DECIDE)

        assert outcome(going.result()) == (0, "applied")
    assert not node.has_services()
    assert node.on("ls /var/lib/svcform") == ""


def test_a_bundle_that_never_arrived_whole_is_never_begun(node):
    node.on(DEAF)
    try:
        applying = node.applies()
        node.on("until [ -e /var/lib/svcform/runs/incoming.*/bundle ]; do sleep 0.01; done")
        node.on(HANG_UP)
        said = applying.result()
    finally:
        node.on("rm /home/deaf/cat")

    assert outcome(said) == (4, "unreachable")
    assert "nothing was touched" in message(said)
    assert not node.has_services()
    assert node.on("ls /var/lib/svcform") == ""
