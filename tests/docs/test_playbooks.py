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


def test_every_example_is_in_the_list():
    listed = (PLAYBOOKS / "README.md").read_text()

    assert EXAMPLES
    assert [name for name in EXAMPLES if f"]({name}/)" not in listed] == []
