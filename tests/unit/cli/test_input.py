"""Commands that read the project: findings, the lock file, the inventory."""

from __future__ import annotations

import json

import pytest

from svcform.inputs.lockfile import NAME


def break_it(project):
    service = project / "services/web.yml"
    service.write_text(service.read_text().replace("port: 80\n", "port: 99999\n"))
    playbook = project / "playbooks/site.yml"
    playbook.write_text(playbook.read_text().replace("hosts: edge", "hosts: egde"))


def test_every_mistake_is_reported_with_its_place(svcform, project):
    break_it(project)

    code, out, err = svcform("validate")

    assert code == 1
    assert out == ""
    assert "services/web.yml:12:" in err
    assert "playbooks/site.yml:" in err
    assert "3 errors, 1 warning.\n" in err


def test_findings_as_json_have_file_line_and_code(svcform, project):
    break_it(project)

    code, out, _ = svcform("validate", "-o", "json")

    found = json.loads(out)
    assert (code, found["kind"], found["exit_code"]) == (1, "error", 1)
    assert any(d["file"].endswith("web.yml") and d["line"] == 12 for d in found["diagnostics"])
    assert all(d["code"].startswith("SVC") for d in found["diagnostics"])


def test_validate_writes_nothing(svcform, project):
    assert svcform("validate")[0] == 0
    assert not (project / NAME).exists()


def test_lock_allocates_and_says_what_to_do_with_it(svcform, project):
    code, out, err = svcform("lock")

    assert code == 0
    assert f"{NAME} was written" in out
    assert "commit it" in err
    assert svcform("lock")[1].endswith(f"{NAME} is complete.\n")


def test_where_ci_is_set_the_lock_file_must_be_complete(svcform, project, monkeypatch):
    monkeypatch.setenv("CI", "true")

    code, _, err = svcform("lock")

    assert code == 1
    assert "default/web" in err
    assert not (project / NAME).exists()
    assert svcform("lock", "--no-locked")[0] == 0


def test_a_renamed_service_keeps_its_addresses(svcform, project):
    svcform("lock")
    line = next(x for x in (project / NAME).read_text().splitlines() if "default/web:" in x)

    assert svcform("lock", "mv", "default/web", "shop/site")[0] == 0

    assert line.replace("default/web", "shop/site") in (project / NAME).read_text()


def test_what_lock_does_not_know_is_a_usage_error(svcform, project):
    svcform("lock")

    assert svcform("lock", "mv", "default/nope", "a/b")[0] == 1
    assert svcform("lock", "mv", "default/web")[0] == 1
    assert svcform("lock", "mv", "web", "site")[0] == 1


def test_a_machine_that_is_gone_can_be_forgotten(svcform, project):
    svcform("lock")
    inventory = project / "inventory.yml"
    playbook = project / "playbooks/site.yml"
    inventory.write_text(
        inventory.read_text().replace("        b:\n          ansible_host: 192.0.2.12\n", "")
    )
    playbook.write_text(playbook.read_text().replace("[a, b]", "[a]"))
    deployment = project / "services/web-deployment.yml"
    deployment.write_text(deployment.read_text().replace("replicas: 2", "replicas: 1"))
    code, _, err = svcform("validate")
    assert code == 1
    assert "svcform forget b" in err

    code, out, _ = svcform("forget", "b")

    assert code == 0
    assert "b is no longer managed" in out
    assert svcform("validate")[0] == 0


def test_the_inventory_is_listed_as_ansible_does_without_secrets(svcform, project):
    (project / "group_vars").mkdir()
    (project / "group_vars/edge.yml").write_text("ansible_become_password: hunter2\nx: 1\n")

    code, out, _ = svcform("inventory", "--list")

    listed = json.loads(out)
    assert code == 0
    assert listed["edge"]["hosts"] == ["a", "b"]
    assert listed["_meta"]["hostvars"]["a"]["ansible_host"] == "192.0.2.11"
    assert listed["_meta"]["hostvars"]["a"]["x"] == 1
    assert "hunter2" not in out


def test_one_host_of_the_inventory(svcform, project):
    assert json.loads(svcform("inventory", "--host", "b")[1])["ansible_host"] == "192.0.2.12"
    assert svcform("inventory", "--host", "nope")[0] == 1


def test_an_apply_that_nobody_can_approve_touches_nothing(svcform, project):
    code, _, err = svcform("apply")

    assert code == 1
    assert "Nothing was touched" in err
    assert not (project / NAME).exists()


def test_a_password_is_never_read_from_a_pipe(svcform, project):
    code, _, err = svcform("plan", "-K")

    assert code == 1
    assert "no terminal" in err


def test_a_password_file_that_is_not_there_is_named(svcform, project):
    code, _, err = svcform("plan", "--become-password-file", "nope.txt")

    assert code == 1
    assert "nope.txt" in err


def test_the_way_back_of_a_node_that_is_none_says_so_before_all_else(svcform, project):
    code, _, err = svcform("rollback", "edge-77")

    assert code == 1
    assert "edge-77 is no node" in err
    assert "terminal" not in err


@pytest.mark.parametrize("words", [["apply"], ["show"], ["plan", "--from"]])
def test_a_file_that_is_no_plan_is_named(svcform, project, words):
    (project / "broken.svcplan").write_text("no plan")
    code, _, err = svcform(*words, "broken.svcplan")

    assert code == 1
    assert "broken.svcplan: The" in err
    assert "cut short" in err
