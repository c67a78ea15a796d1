"""A project in a folder, and a way to run svcform in it."""

from __future__ import annotations

import os
import sys

import pytest

from svcform.cli.main import main
from svcform.lab import lab, spec


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in ("CI", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["init", "--hosts", "a=192.0.2.11,b=192.0.2.12", "--port", "8080"]) == 0
    return tmp_path


@pytest.fixture
def svcform(capsys):
    def run(*words):
        capsys.readouterr()
        code = main(words)
        out, err = capsys.readouterr()
        return code, out, err

    return run


@pytest.fixture
def node(tmp_path, monkeypatch, svcform):
    """The project that ``init`` makes, and a lab node that needs no SSH for it; needs root."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(p for p in sys.path if p))
    svcform("init", "--port", "8080")
    built = lab.up(spec.embedded(tmp_path / ".lab"))
    (tmp_path / "inventory.yml").write_text(built.inventory().read_text())
    yield built
    lab.down(tmp_path / ".lab")
