"""`runner undo` on the console comes to its end, whatever becomes of the login or the power."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from svcform.program.bundle import runner_script

SHELLS = pytest.mark.parametrize("shell", [["dash"], ["busybox", "sh"]], ids=lambda s: s[0])
SAY = 'cat "$1/state" >"$SVCFORM_STATE/live"\n'


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A node that is in its state "new", and was in "old" before; it has been up for a while."""
    state = tmp_path / "state"
    for folder, name in (("previous", "old"), ("confirmed", "new")):
        kept = state / folder
        (kept / "host").mkdir(parents=True)
        (kept / "host/state").write_text(f"{name}\n")
        (kept / "host.restore").write_text(SAY)
        (kept / "order").write_text("10\thost\n")
        (kept / "meta").write_text(f"plan\t0\nafter\t{name}\n")
        (kept / "services.tsv").write_text(f"{name}\n")
    (state / "services.tsv").write_text("new\n")
    (state / "project").write_text("ours\n")
    (state / "layout").write_text("1\n")
    return state


def run(state: Path, shell: list[str], verb: str, tools: Path | None = None) -> int:
    """The exit code of the runner, which finds ``tools`` before others."""
    environment = {**os.environ, "SVCFORM_STATE": str(state)}
    if tools:
        environment["PATH"] = f"{tools}:{environment['PATH']}"
    command = [*shell, "-c", runner_script(), "runner", verb]
    nothing = subprocess.DEVNULL
    return subprocess.run(
        command, check=False, env=environment, stdin=nothing, timeout=60
    ).returncode


def is_old(state: Path) -> bool:
    kept = ("confirmed/host/state", "confirmed/services.tsv", "services.tsv", "live")
    seen = [(state / name).read_text() for name in (*kept, "previous/host/state")]
    return seen == ["old\n"] * len(kept) + ["new\n"] and not (state / "lock").exists()


@SHELLS
def test_after_a_boot_which_leaves_no_runs(state: Path, shell: list[str]) -> None:
    assert run(state, shell, "restore") == 0
    assert not (state / "runs").exists()
    assert run(state, shell, "undo") == 0
    assert is_old(state)
    (receipt,) = (state / "receipts").iterdir()
    lines = receipt.read_text().splitlines()
    assert {"outcome\trestored", "after\told", "detail\tUndone by hand."} <= set(lines)


@SHELLS
@pytest.mark.parametrize("signal", ["HUP", "INT"])
def test_a_login_that_ends_does_not_end_it(state: Path, shell: list[str], signal: str) -> None:
    end = f"kill -{signal} $(sed -n 's/^process.\\([0-9]*\\) .*/\\1/p' \"$SVCFORM_STATE/lock\")\n"
    (state / "previous/host.restore").write_text(SAY + end)
    assert run(state, shell, "undo") == 0
    assert is_old(state)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("moved", ["previous", "confirmed", "*/after"])
def test_what_the_power_cut_short_is_ended_at_boot(
    state: Path, moved: str, moment: str, tmp_path: Path
) -> None:
    """It did not happen, or it did; at no moment is there no confirmed state."""
    mv = tmp_path / "tools/mv"
    mv.parent.mkdir()
    cut = {"before": "kill -9 $PPID; exit 1", "after": '/bin/mv "$@"; kill -9 $PPID; exit 0'}
    caught = f'case "$*" in "{state}"/{moved}" /"*) {cut[moment]} ;; esac'
    mv.write_text(f'#!/bin/sh\n{caught}\nexec /bin/mv "$@"\n')
    mv.chmod(0o755)

    assert run(state, ["dash"], "undo", mv.parent) != 0

    assert run(state, ["dash"], "restore") == 0
    live = (state / "live").read_text()
    assert live == (state / "confirmed/host/state").read_text()
    assert live == (state / "services.tsv").read_text()
    if moved != "previous":
        assert is_old(state)
