"""Inventories: what is wrong in them, at which place, all at once."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from svcform.inputs.host_ranges import BadRange, expand
from svcform.inputs.inventory_list import inventory_list
from svcform.inputs.project import ProjectRequest
from tests.unit.inputs.small_projects import INVENTORY, details, findings, read, write


@pytest.mark.parametrize(
    ("pattern", "hosts"),
    [
        ("web[01:03]", ["web01", "web02", "web03"]),
        ("web[1:5:2]", ["web1", "web3", "web5"]),
        ("[a:c].example.org", ["a.example.org", "b.example.org", "c.example.org"]),
        ("r[1:2]n[x:y]", ["r1nx", "r1ny", "r2nx", "r2ny"]),
        ("web[:2]", ["web0", "web1", "web2"]),
    ],
)
def test_a_range_is_expanded(pattern, hosts):
    assert expand(pattern) == (hosts, None)


def test_a_port_is_taken_off():
    assert expand("web[1:2]:2222") == (["web1", "web2"], 2222)
    assert expand("[2001:db8::1]:22") == (["2001:db8::1"], 22)
    assert expand("2001:db8::1") == (["2001:db8::1"], None)


@pytest.mark.parametrize(
    "name", ["../../etc/x", "a/b", "..", ".", "a b", "a\\nb", "a\\x1bM", "a\\u202eb"]
)
def test_a_node_has_no_name_that_leaves_its_folder_or_its_line(tmp_path: Path, name):
    inventory = f'all:\n  hosts:\n    edge-1:\n    "{name}":\n'
    write(tmp_path, inventory=inventory, playbook="- hosts: all\n")

    assert findings(tmp_path) == ["inventory.yml:4:5 SVC115 error"]


def test_a_host_that_no_play_chooses_may_have_any_name(tmp_path: Path):
    write(tmp_path, inventory="all: {hosts: {edge-1: , a/b: }}\n", playbook="- hosts: edge-1\n")

    assert findings(tmp_path) == []


@pytest.mark.parametrize(
    ("inventory", "where", "said"),
    [
        ("all: " + "[" * 100_000, "1:133", "nested more than 128 levels"),
        ('{"all": ' + "[" * 100_000, "1:136", "nested more than 128 levels"),
        ('{"all": ' + "[" * 500 + "]" * 500 + "}", "1:136", "nested more than 128 levels"),
        ("".join(f"{' ' * n}a:\n" for n in range(500)), "129:129", "nested more than 128"),
        ("all:\n  vars: &v {x: *v}\n", "2:9", "inside of the value that it repeats"),
        ("all:\n  vars: {y: &v [*v]}\n", "2:13", "inside of the value that it repeats"),
        ('all:\n  hosts: {"a\0b": }\n', "2:13", "U+0000"),
        ("all:\n  hosts: {é\x1b[0m: }\n", "2:12", "U+001B"),
        ("all: {}\n---\nall: {}\n", "2:1", "expected a single document in the stream but found"),
    ],
)
def test_what_no_inventory_may_hold_has_a_place(tmp_path: Path, inventory, where, said):
    write(tmp_path).joinpath("inventory.yml").write_text(inventory)

    assert findings(tmp_path)[0] == f"inventory.yml:{where} SVC101 error"
    assert said in details(tmp_path)


def test_aliases_without_end_are_told_at_once(tmp_path: Path):
    lines = ["all:\n  vars:\n    a0: &a0 [l, l, l, l, l, l, l, l, l, l]\n"]
    lines += [f"    a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)]
    write(tmp_path).joinpath("inventory.yml").write_text("".join(lines))

    assert findings(tmp_path)[0] == "inventory.yml:9:9 SVC101 error"
    assert "over 5,000,000 values" in details(tmp_path)


@pytest.mark.parametrize("pattern", ["w[1:", "w[1]", "w[01:100]", "w[c:a]", "w[1:]", "w[1:9:0]"])
def test_a_bad_range_is_told(pattern):
    with pytest.raises(BadRange):
        expand(pattern)


def test_everything_wrong_is_reported_at_once_with_its_place(tmp_path: Path):
    folder = write(
        tmp_path,
        playbook="- hosts: all",
        inventory="""\
            all:
              hosts:
                - edge-1
              children:
                one:
                  hosts: {"w[2:": {}, 7: {}}
                  childs: {}
                two:
                  vars: [a]
                  children: {three: {children: {two: {}}}}
                four: {hosts: {x: 5}}
        """,
    )

    assert findings(folder) == [
        "inventory.yml:3:5 SVC104 error",
        "inventory.yml:6:15 SVC106 error",
        "inventory.yml:6:27 SVC104 error",
        "inventory.yml:7:7 SVC105 warning",
        "inventory.yml:9:13 SVC104 error",
        "inventory.yml:10:37 SVC107 error",
        "inventory.yml:11:23 SVC104 error",
    ]


def test_a_duplicate_key_is_an_error_at_the_second(tmp_path: Path):
    folder = write(tmp_path, inventory="all:\n  hosts:\n    edge: {a: 1, a: 2}\n")

    assert "inventory.yml:3:18 SVC102 error" in findings(folder)
    assert "line 3" in details(folder)


def test_a_syntax_error_has_its_place(tmp_path: Path):
    folder = write(tmp_path, inventory="all:\n  hosts: {edge: [1}\n")

    assert findings(folder)[0] == "inventory.yml:2:19 SVC101 error"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("hosts", "[web]\nweb1 ansible_host=192.0.2.1\n"),
        ("hosts.ini", "web1\n"),
        ("hosts", "# comment\nweb1\n[db:children]\n"),
    ],
)
def test_an_ini_inventory_is_refused_with_the_way_out(tmp_path: Path, name, text):
    folder = write(tmp_path, **{name: text})
    found = details(folder, inventories=(str(folder / name),))

    assert f"ansible-inventory -i {folder / name} --list -y" in found


def test_a_yaml_inventory_needs_no_ending(tmp_path: Path):
    folder = write(tmp_path, hosts=INVENTORY)

    assert len(read(folder, inventories=(str(folder / "hosts"),)).nodes) == 2


def test_a_list_of_hosts_is_an_inventory(tmp_path: Path):
    folder = write(tmp_path, playbook="- hosts: all")

    assert read(folder, inventories=("a,b:2222",)).all_node_names == ("a", "b")


def test_without_an_inventory_the_next_step_is_told(tmp_path: Path):
    folder = write(tmp_path)
    (folder / "inventory.yml").unlink()

    assert "svcform init" in details(folder)


def test_a_missing_inventory_is_told(tmp_path: Path):
    found = findings(write(tmp_path), inventories=(f"{tmp_path}/no.yml",))

    assert "no.yml SVC100 error" in found


def test_a_program_that_fails_is_told_with_its_last_words(tmp_path: Path):
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\necho no credentials >&2\nexit 3\n")
    program.chmod(0o755)

    found = details(write(tmp_path), inventories=(str(program),))

    assert "ended with 3 (no credentials)" in found


def test_a_group_inside_itself_through_an_alias_is_told(tmp_path: Path):
    folder = write(tmp_path, inventory="all: &a\n  children:\n    x: {children: {all: *a}}\n")

    assert "SVC101" in " ".join(findings(folder))


def test_the_listing_is_ansibles(tmp_path: Path):
    folder = write(tmp_path, **{"group_vars/edge.yml": "zone: a\nwhen: 2024-01-02\n"})
    program = Path(sys.executable).with_name("ansible-inventory")
    command = [program, "-i", str(folder / "inventory.yml"), "--list", "-e", "x=1"]
    theirs = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)

    ours, problems = inventory_list(ProjectRequest(project=folder, extra_vars=("x=1",)))

    assert problems == []
    assert ours == theirs


def test_hosts_with_the_names_of_groups_are_warnings_at_their_keys(tmp_path: Path):
    text = "all:\n  hosts: {a: , b: }\n  children: {a: , b: {hosts: {c: }}}\n"
    folder = write(tmp_path, inventory=text, playbook="- hosts: all")

    assert findings(folder) == [
        "inventory.yml:2:11 SVC108 warning",
        "inventory.yml:2:16 SVC108 warning",
    ]


def test_a_program_without_meta_is_asked_for_each_host(tmp_path: Path):
    program = tmp_path / "program"
    program.write_text(
        '#!/bin/sh\ncase $1 in --list) echo \'{"edge": ["a", "b"]}\';;'
        ' --host) echo "{\\"zone\\": \\"of-$2\\"}";; esac\n'
    )
    program.chmod(0o755)

    nodes = read(write(tmp_path), inventories=(str(program),)).nodes

    assert {node.name: node.settings.zone for node in nodes} == {"a": "of-a", "b": "of-b"}
