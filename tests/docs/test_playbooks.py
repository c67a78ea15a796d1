"""The examples are projects without findings, and render on every node."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from svcform.cli.main import main

PLAYBOOKS = Path(__file__).parents[2] / "playbooks"
EXAMPLES = sorted(path.parent.name for path in PLAYBOOKS.glob("*/inventory.yml"))


@pytest.fixture
def example(request, tmp_path, monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    shutil.copytree(PLAYBOOKS / request.param, tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")


@pytest.mark.parametrize("example", EXAMPLES, indirect=True)
def test_an_example_is_valid_and_renders(example, capsys):
    assert main(["validate"]) == 0
    assert capsys.readouterr().err == ""

    assert main(["render", "--out", "programs"]) == 0

    nodes = [path.name for path in Path("programs").iterdir()]
    assert nodes
    assert all((Path("programs") / name / "program.sh").exists() for name in nodes)


@pytest.mark.parametrize("example", ["dns"], indirect=True)
@pytest.mark.parametrize(
    ("question", "answers"),
    [
        (
            "myapp-headless.default.svc.cluster.local.",
            {"A 10.244.1.5", "A 10.244.1.6", "A 10.244.2.5"},
        ),
        ("myapp-svc.default.svc.cluster.local.", {"A 10.96.23.65"}),
        ("my-service-1.default.svc.cluster.local.", {"CNAME www.example.com."}),
        ("10.96.0.10", {"PTR kube-dns.kube-system.svc.cluster.local."}),
    ],
)
def test_the_names_of_the_dns_example_answer_offline(example, capsys, question, answers):
    assert main(["dns", "query", question]) == 0

    section = capsys.readouterr().out.partition(";; ANSWER SECTION:\n")[2].partition("\n\n")[0]
    assert {" ".join(line.split()[3:]) for line in section.splitlines()} == answers


def test_every_example_is_in_the_list():
    listed = (PLAYBOOKS / "README.md").read_text()

    assert EXAMPLES
    assert [name for name in EXAMPLES if f"]({name}/)" not in listed] == []
