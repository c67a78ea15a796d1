"""A stale lock is broken, also where somebody died over it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from svcform.program.bundle import runner_script
from svcform.program.reading import shell_source

FUNCTIONS = runner_script().removesuffix(shell_source("runner/main.sh"))
DEAD = "run\tdead\nwho\tcarol\nboot\tof before\nprocess\t1 1\n"
SHELLS = pytest.mark.parametrize("shell", [["dash"], ["busybox", "sh"]], ids=lambda s: s[0])


def run(state: Path, shell: list[str], script: str, given: str = "") -> str:
    environment = {**os.environ, "SVCFORM_STATE": str(state)}
    command = [*shell, "-c", script]
    return subprocess.run(
        command, check=True, env=environment, input=given, stdout=subprocess.PIPE, text=True
    ).stdout


@SHELLS
def test_who_died_while_breaking_a_lock_is_in_nobodys_way(tmp_path: Path, shell: list[str]) -> None:
    (tmp_path / "lock").write_text(DEAD)
    (tmp_path / "broken.dead").mkdir()
    (tmp_path / "next").mkdir()
    (tmp_path / "next/meta").write_text("run\tnext\n")
    run(tmp_path, shell, f"{FUNCTIONS}\ndir=$state/next\ntake_lock && holds_lock")
    assert not (tmp_path / "broken.dead").exists()


@SHELLS
def test_nor_is_who_died_over_a_plays_lock(tmp_path: Path, shell: list[str]) -> None:
    (tmp_path / "play.lock").write_text(DEAD)
    (tmp_path / "play.broken.dead").mkdir()
    words = "take\nnext\n60\n0\nalice\ndesk\n"
    assert run(tmp_path, shell, shell_source("play_lock.sh"), words) == "taken\t\n"
    assert not (tmp_path / "play.broken.dead").exists()


def test_unlocking_takes_what_is_left_of_either(tmp_path: Path) -> None:
    for name in ("broken.dead", "play.broken.dead"):
        (tmp_path / name).mkdir()
    words = "unlock\ndead\n60\n0\nalice\ndesk\n"
    assert run(tmp_path, ["dash"], shell_source("play_lock.sh"), words) == "released\t\n"
    assert not tmp_path.exists()
