"""Who waits for a run's end hears how it ended, whoever ends it, and whenever."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from svcform.program.bundle import runner_script
from svcform.program.reading import shell_source

FUNCTIONS = runner_script().removesuffix(shell_source("runner/main.sh"))
SHELLS = pytest.mark.parametrize("shell", [["dash"], ["busybox", "sh"]], ids=lambda s: s[0])


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run in the middle of its steps, whose worker and guard are dead."""
    run = tmp_path / "runs/0"
    run.mkdir(parents=True)
    (run / "meta").write_text("run\t0\nrun_timeout\t60\n")
    (run / "phase").write_text("running\n")
    (run / "worker").write_text("1 1\n")
    return run


def start(run: Path, shell: list[str], script: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "SVCFORM_STATE": str(run.parent.parent)}
    command = [*shell, "-c", f"{FUNCTIONS}\ndir={run}\n{script}"]
    return subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("moment", range(1, 6))
def test_an_end_at_any_moment_is_heard_with_its_word(run: Path, moment: int) -> None:
    """Bash says when one command of a function is over; the shells of nodes don't."""
    (run / "new").write_text("applied\n")
    script = f"""
    moment() {{ n=$((n + 1)); [ $n != {moment} ] || mv "$dir/new" "$dir/outcome"; }}
    n=0 word=before
    set -T
    trap moment DEBUG
    until concluded; do :; done
    trap - DEBUG
    echo "$word"
    """
    assert start(run, ["bash"], script).communicate(timeout=60)[0] == "applied\n"


@SHELLS
def test_a_run_that_another_one_puts_in_order_is_followed_to_its_end(
    run: Path, shell: list[str]
) -> None:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text()
    (run.parent.parent / "lock").write_text(f"run\tother\nboot\t{boot}process\t1 1\n")
    following = start(run, shell, "follow")
    time.sleep(4)
    (run / "outcome").write_text("rolled-back\n")
    assert following.communicate(timeout=60)[0].startswith("outcome\trolled-back\n")
    assert not (run / "guard").exists()


@SHELLS
@pytest.mark.parametrize("who", ["guard", "heir."])
def test_a_run_has_one_guard(run: Path, shell: list[str], who: str) -> None:
    """A guard that starts late finds the worker in its place; an heir, the guard of just now."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text()
    (run.parent.parent / "lock").write_text(f"run\t0\nboot\t{boot}")
    stat = Path("/proc/self/stat").read_text().rpartition(") ")[2].split()
    living = f"{os.getpid()} {stat[19]}\n"
    (run / who).write_text(living)
    main = shell_source("runner/main.sh")
    late = start(run, shell, f"set -- guard {run}\n{main}")
    assert late.wait(10) == 0
    assert (run / who).read_text() == living
    assert (run / "guard").exists() is (who == "guard")
    assert (run / "phase").read_text() == "running\n"
