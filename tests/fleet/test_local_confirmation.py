"""An apply to the machine that svcform itself runs on: who says that the new state may stay.

svcform runs in a lab node's network, with a state folder of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from svcform.lab import lab as labs
from svcform.lab.spec import EndpointSpec, LabSpec, NodeSpec
from tests.fleet.projects import Project

pytestmark = pytest.mark.root

GATEWAY = "The default gateway"
DROP_SSH = ("-p", "tcp", "--dport", "22", "-i", "lo", "-j", "DROP")


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    directory = tmp_path_factory.mktemp("local") / "lab"
    yield labs.up(
        LabSpec(
            directory=directory,
            nodes=(NodeSpec(name="n1"),),
            endpoints=(EndpointSpec(name="e1", node="n1"),),
        )
    )
    labs.down(directory)


class Machine:
    """A lab node's network, as if it were this machine's."""

    def __init__(self, lab, path):
        self.lab, self.path, self.state = lab, path, path / "state"
        variables = {"ansible_connection": "local", "pod_cidrs": ["10.244.1.0/24"]}
        project = Project(path)
        project.write({"all": {"hosts": {"here": variables}}}, [f"{lab.addresses('e1')[0]}@here"])
        web = path / "services/web.yml"
        web.write_text(web.read_text().replace("replicas: 3", "replicas: 1"))

    def on(self, *words):
        done = self.lab.run("n1", words, machine=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def has_services(self):
        return b"SVCFORM" in self.on("iptables-save")

    def start(self, *words, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE):
        command = (sys.executable, "-m", "svcform", *words)
        return subprocess.Popen(
            self.lab.command("n1", command, machine=False),
            cwd=self.path,
            env={"PATH": os.environ["PATH"], "SVCFORM_STATE": str(self.state), "NO_COLOR": "1"},
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )

    def svcform(self, *words):
        with self.start(*words) as process:
            out, err = process.communicate(timeout=180)
        return process.returncode, out + err

    def typing(self, answer, *words):
        """The exit code, and what was on the terminal, when this is the answer to the question."""
        ours, theirs = os.openpty()
        with self.start(*words, stdin=theirs, stderr=theirs) as process:
            os.close(theirs)
            said = b""
            while b"keep the new state: " not in said:
                said += os.read(ours, 4096)
            if answer:
                os.write(ours, answer)
            process.communicate(timeout=300)
        os.close(ours)
        return process.returncode, said.decode()


@pytest.fixture
def machine(lab, tmp_path):
    made = Machine(lab, tmp_path)
    yield made
    lab.mend("n1")
    code, said = made.svcform("destroy", "--auto-approve", "--confirm=checks")
    assert code == 0, said


APPLY = ("apply", "--auto-approve")


@pytest.mark.parametrize("words", [APPLY, (*APPLY, "-o", "json"), ("destroy", "--auto-approve")])
def test_without_a_terminal_the_checks_have_to_be_asked_for(machine, words):
    if "destroy" in words:
        assert machine.svcform(*APPLY, "--confirm=checks")[0] == 0
    before = machine.on("iptables-save", "-t", "nat")

    code, said = machine.svcform(*words)

    assert code == 1
    assert "Use --confirm=checks." in said
    assert machine.on("iptables-save", "-t", "nat").splitlines()[1:-1] == before.splitlines()[1:-1]


def test_checks_that_succeed_confirm(machine):
    code, said = machine.svcform(*APPLY, "--confirm=checks")

    assert code == 0, said
    assert machine.has_services()


def test_a_gateway_that_does_not_answer_undoes_the_apply(machine):
    machine.lab.cut("n1")
    machine.on("ip", "neigh", "flush", "dev", "eth0")

    code, said = machine.svcform(*APPLY, "--confirm=checks", "--confirm-timeout", "120")

    assert code == 5
    assert GATEWAY in said
    assert not machine.has_services()


def test_an_sshd_that_does_not_answer_undoes_the_apply(machine):
    machine.on("iptables", "-I", "INPUT", *DROP_SSH)
    try:
        code, said = machine.svcform(*APPLY, "--confirm=checks", "--confirm-timeout", "120")
    finally:
        machine.on("iptables", "-D", "INPUT", *DROP_SSH)

    assert code == 5
    assert "The sshd that listens on 127.0.0.1 port 22 does not answer." in said
    assert GATEWAY not in said
    assert not machine.has_services()


def test_a_typed_yes_keeps_the_new_state(machine):
    code, said = machine.typing(b"yes\n", *APPLY)

    assert code == 0
    assert "here: type yes within 30 s to keep the new state: " in said
    assert machine.has_services()


@pytest.mark.parametrize(("answer", "seconds"), [(b"no\n", 120), (b"", 12)])
def test_any_other_answer_and_none_puts_the_node_back(machine, answer, seconds):
    code, _ = machine.typing(answer, *APPLY, "--confirm-timeout", str(seconds))

    assert code == 5
    assert not machine.has_services()
    receipts = "".join(p.read_text() for p in (machine.state / "receipts").iterdir())
    assert "Nobody typed yes within" in receipts or "Nobody confirmed" in receipts
