"""Playbooks: keys, hosts, placements, and what a play gives to others."""

from pathlib import Path

import pytest

from svcform.inputs.project import ProjectRequest, read_project
from svcform.model.service import NamespacedName
from tests.unit.inputs.small_projects import details, findings, read, write


def test_a_play_is_read_whole(tmp_path: Path):
    folder = write(
        tmp_path,
        playbook="""\
            - name: rolling
              hosts: [edge, "!nobody*"]
              state: present
              serial: [1, "50%"]
              max_fail_percentage: 30
              order: reverse_inventory
              manifests: [../services/, "../more/*.yml"]
              workloads:
                default/web: [edge-1, 10.244.2.7@edge-2]
                shop/cart: FD00::5
        """,
    )

    plays = read_project(ProjectRequest(project=folder))[0].plays

    play = plays[0].play
    assert (play.name, play.nodes) == ("rolling", ("edge-2", "edge-1"))
    assert (play.serial, play.max_fail_percentage) == (("1", "50%"), 30.0)
    assert plays[0].manifest_paths == (folder / "services", folder / "more/*.yml")
    placed = plays[0].workloads
    assert [(p.address, p.node) for p in placed[NamespacedName("default", "web")]] == [
        (None, "edge-1"),
        ("10.244.2.7", "edge-2"),
    ]
    assert [(p.address, p.node) for p in placed[NamespacedName("shop", "cart")]] == [
        ("fd00::5", None)
    ]


@pytest.mark.parametrize(
    ("key", "code", "said"),
    [
        ("tasks: []", "SVC131", "runs no tasks"),
        ("roles: [web]", "SVC131", "runs no tasks"),
        ("gather_facts: false", "SVC131", "runs no tasks"),
        ("manifest: [x]", "SVC132", "Did you mean `manifests`?"),
        ("proxy_mode: ipvs", "SVC132", "under `vars:`"),
        ("state: gone", "SVC133", "`present` or `absent`"),
        ("serial: 0", "SVC133", "a number of nodes"),
        ("serial: [1, x%]", "SVC133", "a number of nodes"),
        ("max_fail_percentage: 101", "SVC133", "from 0 to 100"),
        ("order: shuffle", "SVC133", "the same each time"),
        ("port: ssh", "SVC133", "from 1 to 65535"),
        ("become: perhaps", "SVC133", "`true` or `false`"),
        ("connection: docker", "SVC133", "no other connections"),
        ("manifests: [1]", "SVC133", "a list of texts"),
        ("vars: [a]", "SVC133", "a mapping of variables"),
        ('remote_user: "{{ me }}"', "SVC133", "no expressions here"),
        ("workloads: {web: [edge-1]}", "SVC133", "default/web"),
        ("workloads: {default/web: [edge-7]}", "SVC134", "Did you mean edge-1?"),
        ("workloads: {default/web: [10.0.0.300@edge-1]}", "SVC134", "no IP address"),
        ("workloads: {default/web: [edge-1, edge-1]}", "SVC134", "there twice"),
        ("vars_files: [no.yml]", "SVC135", "no.yml"),
    ],
)
def test_a_wrong_key_is_an_error_that_says_what_to_do(tmp_path: Path, key, code, said):
    folder = write(tmp_path, playbook=f"- hosts: edge\n  {key}\n")

    assert [f.split()[1:] for f in findings(folder)] == [[code, "error"]]
    assert all(f.startswith("playbooks/site.yml:2:") for f in findings(folder))
    assert said in details(folder)


@pytest.mark.parametrize("text", ["", "hosts: edge", "- edge", "- name: x"])
def test_a_playbook_without_plays_is_told(tmp_path: Path, text):
    assert "SVC130" in " ".join(findings(write(tmp_path, playbook=text)))


def test_all_mistakes_are_reported_at_once(tmp_path: Path):
    plays = "- {hosts: edge, stat: absent, serial: none, vars: {drain_wait: x}}\n- tasks: []\n"
    folder = write(tmp_path, inventory="all: {hosts: {edge: {ansible_port: x}}}", playbook=plays)

    assert [f.split()[1] for f in findings(folder)] == [
        "SVC146",
        "SVC132",
        "SVC133",
        "SVC140",
        "SVC130",
        "SVC131",
    ]


def test_hosts_that_match_nothing_are_a_warning(tmp_path: Path):
    folder = write(tmp_path, playbook="- hosts: [edge, egde]\n")

    assert findings(folder) == ["playbooks/site.yml:1:10 SVC121 warning"]


def test_a_bad_pattern_is_an_error(tmp_path: Path):
    folder = write(tmp_path, playbook="- hosts: edge[9]\n")

    assert findings(folder) == ["playbooks/site.yml:1:10 SVC120 error"]


def test_the_limit_leaves_nodes_out_but_keeps_them_known(tmp_path: Path):
    inputs = read(write(tmp_path), limit="edge-2")

    assert [node.name for node in inputs.nodes] == ["edge-2"]
    assert [node.name for node in inputs.play_nodes] == ["edge-1", "edge-2"]
    assert inputs.all_node_names == ("edge-1", "edge-2")


def test_a_limit_that_leaves_nothing_is_an_error(tmp_path: Path):
    assert "--limit SVC122 error" in findings(write(tmp_path), limit="!edge")


def test_a_node_in_two_plays_is_one_node_of_both(tmp_path: Path):
    inputs = read(write(tmp_path, playbook="- hosts: edge\n- hosts: edge-2\n"))

    assert [(node.name, node.plays) for node in inputs.nodes] == [
        ("edge-1", (0,)),
        ("edge-2", (0, 1)),
    ]


def test_an_absent_node_is_marked(tmp_path: Path):
    plays = "- hosts: edge-1\n- {hosts: edge-2, state: absent}\n"
    inputs = read(write(tmp_path, playbook=plays))

    assert [(node.name, node.absent) for node in inputs.nodes] == [
        ("edge-1", False),
        ("edge-2", True),
    ]


def test_a_node_that_is_absent_in_one_of_its_plays_is_an_error(tmp_path: Path):
    plays = "- hosts: edge\n- {hosts: edge-2, state: absent}\n"

    assert findings(write(tmp_path, playbook=plays)) == ["playbooks/site.yml:2:26 SVC143 error"]


def test_templates_get_the_plays_and_alls_variables_and_nothing_else(tmp_path: Path):
    folder = write(
        tmp_path,
        playbook="- {hosts: edge, vars: {size: 3, twice: '{{ size * 2 }}', lost: '{{ nowhere }}'}}",
        **{
            "group_vars/all.yml": "site: fra\nansible_user: ops\n",
            "group_vars/edge.yml": "edge_only: 1\n",
            "host_vars/edge-1.yml": "host_only: 1\n",
        },
    )

    assert read(folder, extra_vars=("more=1",)).plays[0].template_variables == {
        "site": "fra",
        "size": 3,
        "twice": 6,
        "more": "1",
    }


@pytest.mark.parametrize(
    ("argument", "zone"),
    [
        ("zone=a", "a"),
        ("other=1 zone='a'", "a"),
        ("{zone: a}", "a"),
        ('{"zone": "a"}', "a"),
        ("@{folder}/extra.yml", "a"),
    ],
)
def test_extra_vars_take_all_of_ansibles_forms(tmp_path: Path, argument, zone):
    folder = write(tmp_path, **{"extra.yml": "zone: a\n"})

    inputs = read(folder, extra_vars=("zone=first", argument.replace("{folder}", str(folder))))

    assert {node.settings.zone for node in inputs.nodes} == {zone}


@pytest.mark.parametrize("argument", ["zone", "[1]", "./file", "zone='a", "@no-such-file"])
def test_extra_vars_that_make_no_sense_are_told(tmp_path: Path, argument):
    codes = {f.split()[1] for f in findings(write(tmp_path), extra_vars=(argument,))}

    assert codes <= {"SVC114", "SVC100"}
    assert codes


def test_a_play_on_an_inventory_without_hosts_is_a_warning(tmp_path: Path):
    write(tmp_path, inventory="all:\n", playbook="- hosts: all\n")

    assert findings(tmp_path) == ["playbooks/site.yml:1:10 SVC121 warning"]


def test_a_play_of_ansibles_is_told_once(tmp_path: Path):
    write(tmp_path, playbook="- import_playbook: other.yml\n")

    assert findings(tmp_path) == ["playbooks/site.yml:1:3 SVC131 error"]
