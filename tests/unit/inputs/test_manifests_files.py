"""Files that are no manifests, or that nobody can read: each is told with its place."""

import os
import socket

import pytest

from svcform.inputs.lockfile import read as read_lock
from tests.unit.inputs.projects import TUTORIAL, loaded, project, shown


@pytest.mark.parametrize(
    ("content", "place", "said"),
    [
        (b"a: 1\nb: caf\xe9\n", "2:7", "it is not UTF-8 (the byte 0xe9). Save it as UTF-8."),
        ("a: é".encode() + b" \xff", "1:6", "the byte 0xff"),
        ("a: 1\n".encode("utf-16"), "1:1", "it is UTF-16. Save it as UTF-8."),
    ],
)
def test_a_file_that_is_not_utf8_is_told_where(tmp_path, content, place, said):
    (project(tmp_path) / "services/x.yaml").write_bytes(content)
    result = loaded(tmp_path)
    assert shown(result) == [f"x.yaml:{place} SVC150"]
    assert said in result.diagnostics[0].detail


@pytest.mark.parametrize("name", ["inventory.yml", "playbooks/site.yml"])
def test_an_inventory_that_is_not_utf8_is_told_where(tmp_path, name):
    (project(tmp_path) / name).write_bytes(b"all:\n  hosts: {\xe9: }\n")
    assert f"{name.rpartition('/')[2]}:2:11 SVC100" in shown(loaded(tmp_path))


def test_a_lock_file_that_is_not_utf8_is_told(tmp_path):
    path = tmp_path / "svcform.lock.yml"
    path.write_bytes(b"\xff\xfe")
    assert "it is UTF-16" in read_lock(path)[1][0].detail


def test_links_to_folders_are_followed_once_and_not_in_circles(tmp_path):
    """As a monorepo has them: a Service that is in the folder of its team."""
    services = project(tmp_path) / "services"
    team = tmp_path / "teams/shop"
    team.mkdir(parents=True)
    (team / "web.yaml").write_text(TUTORIAL)
    (team / "circle").symlink_to(services)
    (services / "shop").symlink_to(team)
    (services / "shop-again").symlink_to(team)

    workspace = loaded(tmp_path).workspace

    assert workspace is not None
    assert len(workspace.services) == 1


def test_json_documents_one_after_the_other_are_told_what_to_do(tmp_path):
    one = '{"apiVersion": "v1", "kind": "Service",\n "metadata": {"name": "a"}}'
    (project(tmp_path) / "services/x.json").write_text(f"{one}\n\n  {one}\n")

    (finding,) = loaded(tmp_path).diagnostics

    assert (finding.code, str(finding.where).rpartition("/")[2]) == ("SVC151", "x.json:4:3")
    assert "a second one begins" in finding.detail


def test_pipes_and_sockets_in_a_folder_are_passed_over(tmp_path, monkeypatch):
    services = project(tmp_path, web_yaml=TUTORIAL) / "services"
    os.mkfifo(services / "pipe.yaml")
    monkeypatch.chdir(services)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("socket.yaml")
        assert loaded(tmp_path).workspace is not None


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("hello\n", "1:1", "it is a text"),
        ("42\n", "1:1", "it is a number"),
        ("kind: 5\n", "1:1", "its `kind` is no text"),
        ("replicaCount: 3\n", "1:1", "belongs outside of the play's `manifests`"),
        ("apiVersion: v1\nkind: service\n", "2:7", "write 'Service', as Kubernetes does"),
        ("apiVersion: v1\nkind: Sevice\n", "2:7", "no kind 'Sevice'; write 'Service'"),
        ("apiVersion: v1\nkind: list\nitems: []\n", "2:7", "write 'List'"),
        ("kind: Service\n", "1:1", "here it has none; add it"),
        ("apiVersion: v1\nkind: List\nitems: {a: 1}\n", "3:8", "begin each with `- `"),
    ],
)
def test_what_is_no_object_is_told_with_what_to_do(tmp_path, text, place, said):
    result = loaded(project(tmp_path, x_yaml=text))
    assert shown(result) == [f"x.yaml:{place} SVC155"]
    assert said in result.diagnostics[0].detail


def test_a_name_with_a_line_break_forges_no_line(tmp_path):
    text = (
        "apiVersion: v1\nkind: Service\nspec: {ports: [{port: 80}]}\n"
        'metadata: {name: "a\\nx.yaml:1:1: error\\x1b[0m"}\n'
    )
    result = loaded(project(tmp_path, x_yaml=text))
    assert [d.code for d in result.diagnostics] == ["SVC202"]
    assert result.diagnostics[0].detail.isprintable()


@pytest.mark.parametrize(
    ("closed", "code"),
    [("services/sub", "SVC150"), ("services", "SVC150"), ("group_vars", "SVC100")],
)
def test_a_folder_that_may_not_be_read_is_never_an_empty_one(tmp_path, monkeypatch, closed, code):
    project(tmp_path, web_yaml=TUTORIAL)
    (tmp_path / closed).mkdir(exist_ok=True)
    real = os.scandir if code == "SVC150" else os.listdir

    def refused(path):
        if os.fspath(path) == str(tmp_path / closed):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return real(path)

    monkeypatch.setattr(os, real.__name__, refused)
    result = loaded(tmp_path)

    assert (result.workspace, code in {d.code for d in result.diagnostics}) == (None, True)


def test_a_template_without_end_is_told(tmp_path):
    folder = project(tmp_path)
    # More than any machine has: Python refuses it before it takes a byte.
    (folder / "services/x.yaml.j2").write_text("{{ 'x' * 9000000000000000000 }}")
    result = loaded(folder)
    assert shown(result) == ["x.yaml.j2:0:0 SVC156"]
    assert "too large" in result.diagnostics[0].detail
