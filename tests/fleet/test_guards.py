"""What a plan may only do when it was said aloud, and how a roll-out stops."""

from __future__ import annotations

import pytest
import yaml

from svcform.lab import lab as labs
from svcform.lab import spec
from tests.fleet.projects import Project

pytestmark = pytest.mark.root

SERVICE = """\
---
apiVersion: v1
kind: Service
metadata: {{name: s{n}}}
spec: {{clusterIP: 10.96.0.{ip}, ports: [{{port: 80}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: s{n}-1, labels: {{kubernetes.io/service-name: s{n}}}}}
addressType: IPv4
ports: [{{port: 8080}}]
endpoints: [{endpoints}]
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    directory = tmp_path_factory.mktemp("guards") / "lab"
    yield labs.up(spec.cluster(directory, nodes=3, endpoints=1))
    labs.down(directory)


class Fleet:
    """A project over the lab's three nodes, with Services that a test chooses."""

    def __init__(self, lab, path):
        self.lab, self.project = lab, Project(path)
        self.play()
        (path / "known_hosts").write_bytes((lab.directory / "known_hosts").read_bytes())

    def play(self, dead=(), **keys):
        inventory = yaml.safe_load(self.lab.inventory().read_text())
        for name in dead:
            inventory["all"]["children"]["lab"]["hosts"][name]["ansible_port"] = 1
        self.project.write(inventory, [f"{self.lab.addresses('endpoint-1-1')[0]}@node-1"])
        site = self.project.path / "playbooks/site.yml"
        (play,) = yaml.safe_load(site.read_text())
        del play["workloads"]
        site.write_text(yaml.safe_dump([{**play, **keys}]))
        (self.project.path / "services/web.yml").unlink()

    def services(self, count, *, endpoints=1, offset=0, first_ip=10):
        text = ""
        for n in range(count):
            addresses = ", ".join(
                f"{{addresses: [10.1.{n}.{offset + e}]}}" for e in range(1, endpoints + 1)
            )
            text += SERVICE.format(n=n, ip=first_ip + n, endpoints=addresses)
        (self.project.path / "services/all.yml").write_text(text)

    def codes(self, *words):
        said = self.project.svcform("plan", "-o", "json", *words)
        found = said.json()
        assert found["exit_code"] == said.code
        return said.code, [finding["code"] for finding in found["refusals"]]

    def apply(self, *words):
        said = self.project.svcform("apply", "--auto-approve", *words)
        return said.code

    def outcomes(self, *words):
        said = self.project.svcform("apply", "-o", "json", *words)
        return said.code, [node["outcome"] for node in said.json()["nodes"]]

    def on(self, node, *words):
        done = self.lab.run(node, words)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def fleet(lab, tmp_path):
    made = Fleet(lab, tmp_path)
    yield made
    made.play()
    assert made.project.svcform("destroy", "--auto-approve").code == 0


def test_many_deletions_have_to_be_said_aloud(fleet):
    fleet.services(10)
    assert fleet.apply("-l", "node-1") == 0

    fleet.services(7)
    assert fleet.codes("-l", "node-1") == (0, [])
    fleet.services(6)
    assert fleet.codes() == (7, ["SVC501"])
    assert fleet.apply("-l", "node-1") == 7
    assert fleet.apply("-l", "node-1", "--allow-deletions") == 0


def test_endpoints_that_go_count_and_those_that_are_replaced_do_not(fleet):
    fleet.services(1, endpoints=12)
    assert fleet.apply("-l", "node-1") == 0

    fleet.services(1, endpoints=12, offset=100)
    assert fleet.codes("-l", "node-1") == (0, [])
    fleet.services(1, endpoints=6)
    assert fleet.codes("-l", "node-1") == (7, ["SVC501"])


def test_a_live_address_does_not_change_unasked(fleet):
    fleet.services(1)
    assert fleet.apply("-l", "node-1") == 0

    fleet.services(1, first_ip=20)

    assert fleet.codes("-l", "node-1") == (7, ["SVC502"])
    assert fleet.codes("-l", "node-1", "--allow-renumber") == (0, [])


def test_most_nodes_unreadable_stops_an_apply(fleet):
    fleet.services(1)
    fleet.play(dead=("node-2",))
    assert fleet.codes() == (4, [])

    fleet.play(dead=("node-2", "node-3"))
    assert fleet.codes() == (4, ["SVC503"])
    assert fleet.apply() == 7
    assert b"SVCFORM" not in fleet.on("node-1", "iptables-save")
    assert fleet.codes("--allow-unreachable") == (4, [])
    assert fleet.apply("--allow-unreachable") == 8
    assert b"SVCFORM" in fleet.on("node-1", "iptables-save")


MEDDLED = ("SVCFORM-VIPS", "-s", "198.51.100.1/32", "-j", "RETURN")


def saved_plan(fleet, meddled, **play):
    """A plan for all three nodes, after which somebody changes one of them by hand."""
    fleet.play(**play)
    fleet.services(2)
    assert fleet.apply() == 0
    fleet.services(3)
    assert fleet.project.svcform("plan", "--out", "x.svcplan").code == 0
    fleet.on(meddled, "iptables", "-t", "nat", "-A", *MEDDLED)


def test_a_canary_that_fails_stops_the_rest_and_the_same_file_goes_on(fleet):
    saved_plan(fleet, "node-1", serial=[1, "100%"])

    assert fleet.outcomes("x.svcplan") == (3, ["stale", "skipped", "skipped"])
    fleet.on("node-1", "iptables", "-t", "nat", "-D", *MEDDLED)
    assert fleet.outcomes("x.svcplan") == (0, ["applied"] * 3)
    assert fleet.outcomes("x.svcplan") == (0, ["already-applied"] * 3)


@pytest.mark.parametrize(
    ("limit", "last"), [(49, "skipped"), (50, "applied")], ids=["exceeded", "reached"]
)
def test_max_fail_percentage_has_to_be_exceeded(fleet, limit, last):
    saved_plan(fleet, "node-2", serial=2, max_fail_percentage=limit)

    assert fleet.outcomes("x.svcplan") == (8, ["applied", "stale", last])


def test_a_node_changed_by_hand_is_refused_with_what_changed_and_the_others_are_done(fleet):
    """What was not done is done by the same file once it is put back, or by a new plan."""
    saved_plan(fleet, "node-2")

    said = fleet.project.svcform("apply", "x.svcplan", "-o", "json")
    first, meddled, last = said.json()["nodes"]

    assert said.code == 8
    assert (first["outcome"], meddled["outcome"], last["outcome"]) == (
        "applied",
        "stale",
        "applied",
    )
    assert meddled["moved"] == ["iptables nft ip nat SVCFORM-VIPS"]
    assert "moved since the plan" in meddled["message"]
    before = fleet.on("node-2", "iptables-save", "-t", "nat").decode()
    assert " ".join(MEDDLED[1:]) in before
    assert "10.96.0.12" not in before

    fleet.on("node-2", "iptables", "-t", "nat", "-D", *MEDDLED)
    assert fleet.outcomes("x.svcplan") == (0, ["already-applied", "applied", "already-applied"])
    assert b"10.96.0.12" in fleet.on("node-2", "iptables-save", "-t", "nat")
    fleet.on("node-2", "iptables", "-t", "nat", "-A", *MEDDLED)
    assert fleet.apply() == 0
    assert b"198.51.100.1/32" not in fleet.on("node-2", "iptables-save", "-t", "nat")
