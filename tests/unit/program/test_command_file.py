"""What a step's file does when sh carries it out."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from svcform.program.bundle import command_file


@pytest.mark.parametrize("shell", [["dash"], ["busybox", "sh"]], ids=lambda words: words[0])
@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("sh", "-c", "read -r line; cat; printf '%s\n' \"$line $#\"\nexit 3"), "two\none 0\n"),
        (("sh", "-c", 'cat >/dev/null; echo "$0 $1"; exit 3', "sh", "a b"), "sh a b\n"),
        (("sh", "-ec", "cat; false; exit 3"), "one\ntwo\n"),
        (("awk", "END { print NR, ARGV[1]; exit 3 }", "-", "it's"), ""),
    ],
)
def test_a_command_has_its_arguments_its_input_and_its_exit_code(
    tmp_path: Path, shell: list[str], command: tuple[str, ...], said: str
):
    (tmp_path / "command").write_bytes(command_file(command))

    def run(*argv: str) -> tuple[int, str]:
        done = subprocess.run(argv, input="one\ntwo\n", capture_output=True, text=True, check=False)
        return done.returncode, done.stdout

    found = run(*shell, str(tmp_path / "command"))

    assert found == run(*command)
    assert found[1] == said


def test_a_script_is_carried_out_by_the_sh_that_reads_it(tmp_path: Path):
    """A process more for each step is a tenth of a small change."""
    (tmp_path / "command").write_bytes(command_file(("sh", "-c", "cat /proc/$$/cmdline")))
    done = subprocess.run(
        ["sh", str(tmp_path / "command")], capture_output=True, text=True, check=True
    )

    assert done.stdout.split("\0")[:-1] == ["sh", str(tmp_path / "command")]
