"""``--target`` and ``--exclude`` on a node: what they leave out stays exactly as it is there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.root

SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: NAME, labels: {tier: TIER}}
spec:
  type: NodePort
  externalTrafficPolicy: POLICY
  ports: [{name: http, port: 80}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: NAME-1, labels: {kubernetes.io/service-name: NAME}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [ADDRESS], nodeName: node-1}]
"""


@dataclass(frozen=True)
class Site:
    """A project of three Services, and the node that runs them."""

    node: object
    run: object
    path: Path

    def write(self, name, address, tier="front", policy="Cluster"):
        text = SERVICE.replace("NAME", name).replace("ADDRESS", address).replace("TIER", tier)
        (self.path / f"services/{name}.yml").write_text(text.replace("POLICY", policy))

    def remove(self, name):
        (self.path / f"services/{name}.yml").unlink()

    def apply(self, *words):
        code, out, err = self.run("apply", "--auto-approve", "--allow-deletions", *words)
        assert code == 0, out + err

    def is_done(self, *words):
        return self.run("plan", "--detailed-exitcode", *words)[0] == 0

    def rules(self):
        done = self.node.run("node-1", ["iptables-save"])
        return {
            line
            for line in done.stdout.decode().splitlines()
            if "SVCFORM" in line and not line.startswith(":")
        }

    def endpoints(self):
        services = json.loads(self.run("get", "-o", "json")[1])["services"]
        return {service["name"]: service["endpoints"][0].partition(":")[0] for service in services}


@pytest.fixture
def site(node, svcform):
    found = Site(node, svcform, node.directory.parent)
    for file in (found.path / "services").iterdir():
        file.unlink()
    playbook = found.path / "playbooks/site.yml"
    lines = playbook.read_text().splitlines(keepends=True)
    start = next(n for n, line in enumerate(lines) if line.strip().startswith("workloads:"))
    playbook.write_text("".join(lines[:start]))
    found.write("a", "10.244.1.11")
    found.write("b", "10.244.1.12", policy="Local")
    found.write("c", "10.244.1.13", tier="back")
    found.apply()
    return found


def test_only_the_targeted_service_changes_and_a_full_apply_does_the_rest(site):
    for name, last in (("a", 21), ("c", 23)):
        site.write(name, f"10.244.1.{last}")
    site.remove("b")
    site.write("d", "10.244.1.24")
    before = site.rules()

    site.apply("--target", "a")

    assert site.endpoints() == {"a": "10.244.1.21", "b": "10.244.1.12", "c": "10.244.1.13"}
    assert all("10.244.1.11" in rule for rule in before - site.rules())
    assert all("10.244.1.21" in rule for rule in site.rules() - before)
    assert site.is_done("--target", "a")
    assert not site.is_done()

    site.apply()

    assert site.endpoints() == {"a": "10.244.1.21", "c": "10.244.1.23", "d": "10.244.1.24"}
    assert site.is_done()
    after = site.rules()
    assert site.run("destroy", "--auto-approve", "--allow-deletions")[0] == 0
    site.apply()
    assert site.rules() == after


@pytest.mark.parametrize(
    "words, changed",
    [
        (["--target", "default/*", "--exclude", "[bc]"], {"a"}),
        (["--target", "tier=front"], {"a", "b"}),
        (["--exclude", "tier=front"], {"c"}),
        (["--target", "default/b", "--target", "c"], {"b", "c"}),
    ],
)
def test_names_globs_and_labels_choose(site, words, changed):
    before = site.endpoints()
    site.write("a", "10.244.1.21")
    site.write("b", "10.244.1.22", policy="Local")
    site.write("c", "10.244.1.23", tier="back")

    site.apply(*words)

    after = site.endpoints()
    assert {name for name in "abc" if after[name] != before[name]} == changed
    assert site.is_done(*words)


def test_a_targeted_service_that_left_the_manifests_goes_alone(site):
    site.remove("a")
    site.remove("b")
    site.apply("--target", "b")
    assert site.endpoints() == {"a": "10.244.1.11", "c": "10.244.1.13"}


def test_destroy_takes_the_targeted_service_only(site):
    code, out, err = site.run("destroy", "--auto-approve", "--allow-deletions", "--target", "a")
    assert code == 0, out + err
    assert site.endpoints() == {"b": "10.244.1.12", "c": "10.244.1.13"}


def test_settings_of_the_node_hold_for_what_is_kept_too(site):
    before = site.rules()
    site.write("c", "10.244.1.23", tier="back")

    words = ["--target", "a", "-e", '{"pod_cidrs": ["10.244.9.0/24"]}']
    site.apply(*words)

    assert site.endpoints()["c"] == "10.244.1.13"
    assert any("-s 10.244.9.0/24" in rule for rule in site.rules() - before)
    assert site.is_done(*words)


def test_a_target_that_nothing_matches_changes_nothing_and_says_what_was_meant(site):
    code, out, err = site.run("plan", "--target", "tier=fornt", "--exclude", "default/bb")
    assert code == 1
    assert "did you mean tier=front?" in err
    assert "did you mean default/b?" in err
    assert out == ""
