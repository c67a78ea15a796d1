"""``make demo`` shows what it promises, and leaves nothing behind, also when it is stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.root


@pytest.fixture
def folder(tmp_path):
    yield tmp_path
    assert list(tmp_path.iterdir()) == []
    assert not _labs(tmp_path)


def _labs(folder):
    """Supervisors of labs below a folder."""
    commands = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            commands.append(path.read_bytes())
        except OSError:
            continue
    return [c for c in commands if b"svcform.lab.supervisor" in c and os.fsencode(folder) in c]


def start(folder):
    return subprocess.Popen(
        [sys.executable, "-m", "svcform", "lab", "demo"],
        env={**os.environ, "TMPDIR": str(folder), "PYTHONPATH": str(Path.cwd())},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_demo_shows_the_whole_way(folder):
    demo = start(folder)
    out, err = demo.communicate(timeout=600)

    assert demo.returncode == 0, err
    assert "Plan: 3 to add" in out
    assert "applied: node-1" in out
    assert out.count("endpoint=endpoint-3") == 2
    assert "No changes. 1 node is as described." in out
    assert "loses 10.244.1.7:8080" in out
    assert "No Services." in out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_demo_leaves_nothing(folder, number):
    demo = start(folder)
    deadline = time.monotonic() + 60
    while not _labs(folder) and time.monotonic() < deadline:
        time.sleep(0.05)

    demo.send_signal(number)

    demo.communicate(timeout=60)
    assert demo.returncode == 130
