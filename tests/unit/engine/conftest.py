"""A node to try things on: a network namespace with a state folder of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.engine.node import LabNode


@pytest.fixture(params=["dash", "busybox"])
def shell(request: pytest.FixtureRequest) -> str:
    """The shell that is /bin/sh on the node."""
    return str(request.param)


@pytest.fixture
def lab_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shell: str) -> Iterator[LabNode]:
    """One address, no default route, forwarding off; gone after the test with all it started."""
    monkeypatch.setenv("SVCFORM_STATE", str(tmp_path / "state"))
    node = LabNode.start(tmp_path / "state", shell)
    try:
        yield node
    finally:
        node.stop()


@pytest.fixture(scope="session", autouse=True)
def _tools() -> None:
    subprocess.run(["unshare", "--version"], check=True, capture_output=True)
