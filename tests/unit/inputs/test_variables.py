"""A host's variables are those that Ansible gives it."""

import datetime as dt
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from time import process_time

import pytest
import yaml
from hypothesis import HealthCheck, given, settings

from svcform.inputs.inventory import read_inventory
from svcform.inputs.variables import Variables
from tests.unit.inputs import ansible_oracle as ansible
from tests.unit.inputs.inventories import Files, projects


def ours(sources: list[str], playbook: Path | None = None) -> dict[str, dict]:
    inventory, problems = read_inventory(sources, ())
    assert [p for p in problems if p.severity.value == "error"] == []
    variables = Variables(inventory, playbook, ())
    found = {}
    for name in inventory.groups.hosts:
        winners = variables.of_host(name)
        found[name] = {key: layer.values[key] for key, layer in winners.items()}
    assert [p for p in variables.problems if p.severity.value == "error"] == []
    return json.loads(json.dumps(found, default=str))


def theirs(sources: list[str], playbook: Path | None = None) -> dict[str, dict]:
    manager, variables = ansible.inventory(sources, playbook)
    return {name: ansible.host_variables(manager, variables, name) for name in manager.hosts}


@settings(max_examples=100, suppress_health_check=list(HealthCheck))
@given(projects())
def test_variables_equal_ansibles_over_random_inventories(files: Files):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sources = files.write(folder)
        playbook = folder / "play"
        playbook.mkdir(exist_ok=True)

        assert ours(sources, playbook) == theirs(sources, playbook)


def ansible_inventory(*arguments: str) -> dict:
    program = Path(sys.executable).with_name("ansible-inventory")
    done = subprocess.run([program, *arguments], capture_output=True, check=True)
    return json.loads(done.stdout)


INVENTORY = """
all:
  hosts: {lonely: {a: 1}}
  vars: {who: all, deep: {x: 1, y: 2}}
  children:
    zebra: {hosts: {"web[1:2]": {b: yes}}, vars: {who: zebra, ansible_group_priority: 5}}
    apple: {hosts: {web1: {b: 0x10}}, vars: {who: apple, deep: {x: 3}}}
    outer: {children: {inner: {hosts: {web1: }, vars: {who: inner, day: 2024-01-02}}}}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "play").mkdir()
    for name, content in {
        "inventory.yml": INVENTORY,
        "group_vars/all/one.yml": "from: beside inventory\nzone: a",
        "group_vars/zebra": "stripes: [1, 2]",
        "play/group_vars/all.json": '{"from": "beside playbook"}',
        "play/host_vars/web2.yaml": "from: host_vars",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return tmp_path


def test_variables_equal_those_that_the_command_prints(project: Path):
    inventory, playbook = str(project / "inventory.yml"), project / "play"

    printed = ansible_inventory("-i", inventory, "--playbook-dir", str(playbook), "--list")

    assert ours([inventory], playbook) == printed["_meta"]["hostvars"]


def test_a_folder_is_read_as_ansible_reads_it(project: Path):
    folder = project / "folder"
    (folder / "sub").mkdir(parents=True)
    shutil.copy(project / "inventory.yml", folder / "b.yml")
    (folder / "a.yaml").write_text("all: {hosts: {first: {who: a}, web1: {b: early}}}")
    (folder / "sub" / "c.json").write_text('{"all": {"hosts": {"web2": {"b": "late"}}}}')
    (folder / "README.md").write_text("# not an inventory")
    (folder / ".hidden.yml").write_text("all: {hosts: {hidden: }}")
    (folder / "group_vars").mkdir()
    (folder / "group_vars" / "apple.yml").write_text("beside: folder")

    assert ours([str(folder)]) == theirs([str(folder)])
    assert "hidden" not in ours([str(folder)])


def test_the_later_inventory_wins(project: Path):
    other = project / "other" / "second.yml"
    other.parent.mkdir()
    other.write_text("zebra: {hosts: {web1: {b: second}}, vars: {who: second}}")
    sources = [str(project / "inventory.yml"), str(other)]

    assert ours(sources)["web1"]["b"] == "second"
    assert ours(sources) == theirs(sources)


def test_the_implicit_localhost_has_the_variables_of_all(project: Path):
    source = str(project / "inventory.yml")
    inventory, _ = read_inventory([source], ())
    winners = Variables(inventory, project / "play", ()).of_host("localhost")
    manager, variables = ansible.inventory([source], project / "play")

    found = {name: layer.values[name] for name, layer in winners.items()}

    assert found == ansible.host_variables(manager, variables, "localhost")
    assert found["ansible_connection"] == "local"


def test_the_output_of_ansible_inventory_is_an_inventory(project: Path):
    source = str(project / "inventory.yml")
    exported = project / "exported" / "inventory.json"
    exported.parent.mkdir()
    exported.write_text(json.dumps(ansible_inventory("-i", source, "--list")))

    assert ours([str(exported)]) == ours([source])


def test_an_inventory_program_is_run_when_it_is_named(project: Path):
    program = project / "programs" / "inventory.sh"
    program.parent.mkdir()
    listed = json.dumps({"web": {"hosts": ["p1"]}, "_meta": {"hostvars": {"p1": {"a": 1}}}})
    program.write_text(f"#!/bin/sh\n[ \"$1\" = --list ] && echo '{listed}'\n")
    program.chmod(0o755)

    assert ours([str(program)]) == {"p1": {"a": 1}} == theirs([str(program)])


def test_an_inventory_program_in_a_folder_is_not_run(project: Path):
    program = project / "folder" / "inventory.sh"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ntouch {project}/was-run\n")
    program.chmod(0o755)

    _, problems = read_inventory([str(program.parent)], ())

    assert [problem.code for problem in problems] == ["SVC109"]
    assert not (project / "was-run").exists()


def test_dates_stay_dates(project: Path):
    inventory, _ = read_inventory([str(project / "inventory.yml")], ())
    winners = Variables(inventory, None, ()).of_host("web1")

    assert winners["day"].values["day"] == dt.date(2024, 1, 2)


@pytest.mark.parametrize("hosts", [5_000])
def test_reading_many_hosts_is_linear(tmp_path: Path, hosts: int):
    # Twice the hosts may take three times as long, not four: a quadratic reader would.
    def seconds(count: int) -> float:
        path = tmp_path / f"{count}.yml"
        names = {f"h{i}": {"ansible_host": f"10.0.{i // 250}.{i % 250}"} for i in range(count)}
        path.write_text(yaml.safe_dump({"all": {"children": {"web": {"hosts": names}}}}))
        began = process_time()
        inventory, _ = read_inventory([str(path)], ())
        variables = Variables(inventory, None, ())
        for name in inventory.groups.hosts:
            variables.of_host(name)
        return process_time() - began

    few, many = (min(seconds(count) for _ in range(2)) for count in (hosts, 2 * hosts))
    assert many < 3.2 * few
