"""A project in a folder, and a way to run svcform in it."""

from __future__ import annotations

import pytest

from svcform.cli.main import main


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
