"""Commands that reach a node: a lab node that needs no SSH."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys

import pytest
import yaml

from svcform.lab import lab

pytestmark = pytest.mark.root


def rules(node):
    return node.run("node-1", ["iptables-save"]).stdout.decode()


def on_terminal(words, answer):
    """Run a command on a terminal of its own, and type an answer."""
    here, there = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "svcform", *words],
        stdin=there,
        stdout=subprocess.PIPE,
        stderr=there,
        text=True,
    )
    os.close(there)
    os.write(here, answer.encode())
    out, _ = process.communicate(timeout=600)
    os.close(here)
    return process.returncode, out


def test_only_yes_applies(node):
    assert on_terminal(["apply"], "y\n")[0] == 1
    assert "SVCFORM" not in rules(node)

    code, out = on_terminal(["apply"], "yes\n")

    assert code == 0
    assert "Plan: 3 to add" in out
    assert "default     myapp   NodePort" in out
    assert "SVCFORM" in rules(node)


def test_a_saved_plan_is_applied_as_it_is_and_asks_nothing(node, svcform):
    assert svcform("plan", "--out", "x.svcplan", "--detailed-exitcode")[0] == 2
    shown = svcform("show", "x.svcplan", "-o", "json")[1]

    code, out, _ = svcform("apply", "x.svcplan", "-o", "json")

    applied = json.loads(out)
    assert (code, applied["exit_code"]) == (0, 0)
    assert applied["digest"] == json.loads(shown)["digest"]
    assert [n["outcome"] for n in applied["nodes"]] == ["applied"]
    assert applied["services"][0]["name"] == "myapp"
    assert svcform("plan", "--detailed-exitcode")[0] == 0


def test_a_node_that_moved_makes_a_saved_plan_stale(node, svcform):
    svcform("plan", "--out", "first.svcplan")
    svcform("apply", "--auto-approve")
    site = node.directory.parent / "playbooks/site.yml"
    site.write_text(site.read_text().replace(", 10.244.1.7@node-1", ""))
    deployment = node.directory.parent / "services/myapp-deployment.yml"
    deployment.write_text(deployment.read_text().replace("replicas: 3", "replicas: 2"))
    assert svcform("apply", "--auto-approve")[0] == 0

    code, out, _ = svcform("apply", "first.svcplan")

    assert code == 3
    assert "node-1: stale" in out


def test_the_expected_digest_is_applied_and_no_other(node, svcform):
    digest = json.loads(svcform("plan", "-o", "json")[1])["digest"]
    assert svcform("apply", "--expect", "0" * 64)[0] == 3
    assert "SVCFORM" not in rules(node)

    assert svcform("apply", "--expect", digest)[0] == 0
    assert "SVCFORM" in rules(node)


def test_the_json_of_get_lists_what_the_node_has(node, svcform):
    svcform("apply", "--auto-approve")

    code, out, _ = svcform("get", "-o", "json")

    (service,) = json.loads(out)["services"]
    assert code == 0
    assert service["nodes"] == ["node-1"]
    assert len(service["endpoints"]) == 3


def test_a_lost_lock_file_comes_back_from_the_nodes(node, svcform):
    svcform("apply", "--auto-approve")
    file = node.directory.parent / "svcform.lock.yml"
    before = file.read_text()
    file.unlink()

    assert svcform("lock", "--from-nodes")[0] == 0

    assert file.read_text() == before
    assert svcform("plan", "--detailed-exitcode")[0] == 0


def test_destroy_leaves_nothing_of_ours(node, svcform):
    svcform("apply", "--auto-approve")

    code, out, _ = svcform("destroy", "--auto-approve")

    assert code == 0
    assert "1 node" in out
    assert "SVCFORM" not in rules(node)
    assert svcform("get")[1] == "No Services.\n"


def test_a_node_that_is_gone_is_said_in_words_and_is_4(node, svcform):
    lab.down(node.directory)

    code, out, _ = svcform("plan")

    assert code == 4
    assert "node-1: no plan" in out
    assert svcform("get")[0] == 4


def test_an_absent_node_leaves_the_lock_file_only_when_it_was_emptied(node, svcform, tmp_path):
    lock = tmp_path / "svcform.lock.yml"
    assert svcform("apply", "--auto-approve")[0] == 0
    svcform("plan", "--out", "present.svcplan")
    playbook = tmp_path / "playbooks/site.yml"
    playbook.write_text(playbook.read_text().replace("  serial:", "  state: absent\n  serial:"))

    svcform("plan", "--allow-deletions", "--out", "x.svcplan")
    assert "node-1: {}" in lock.read_text()
    assert svcform("apply", "present.svcplan")[0] == 0
    assert "node-1: {}" in lock.read_text()

    code, _, err = svcform("apply", "--locked", "x.svcplan")
    assert (code, "Run `svcform forget`" in err) == (0, True)
    assert "node-1: {}" in lock.read_text()

    code, _, err = svcform("apply", "--auto-approve")
    assert (code, "no longer managed: node-1" in err) == (0, True)
    assert "node-1" not in lock.read_text()
    assert svcform("plan", "--detailed-exitcode")[0] == 0


def test_a_saved_plan_is_not_judged_by_nodes_that_limit_leaves_out(node, svcform, tmp_path):
    inventory = tmp_path / "inventory.yml"
    found = yaml.safe_load(inventory.read_text())
    (group,) = found["all"]["children"].values()
    group["hosts"]["down"] = {
        "ansible_connection": "ssh",
        "ansible_host": "127.0.0.1",
        "ansible_port": 1,
    }
    inventory.write_text(yaml.safe_dump(found))
    assert svcform("plan", "--out", "x.svcplan")[0] == 4

    code, out, _ = svcform("apply", "x.svcplan", "--limit", "node-1", "-o", "json")

    applied = json.loads(out)
    assert (code, applied["unplanned"]) == (0, [])
    assert [n["outcome"] for n in applied["nodes"]] == ["applied"]
