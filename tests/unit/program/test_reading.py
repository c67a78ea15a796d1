"""The reading script's frame holds against whatever a node prints."""

from __future__ import annotations

import re
import subprocess
from subprocess import PIPE

import pytest

from svcform.errors import ReadingFailed
from svcform.program.reading import Section, parse_reading, reading_input, reading_script

NONCE = "0123456789abcdef" * 2
SHELLS = pytest.mark.parametrize("shell", [["dash"], ["busybox", "sh"]], ids=lambda s: s[0])


def answer(shell: list[str], *probes: tuple[str, str], compress: bool = False) -> bytes:
    given = reading_input(NONCE, compress=compress)
    script = reading_script(probes)
    result = subprocess.run([*shell, "-c", script], input=given, capture_output=True, check=True)
    assert result.stderr == b""
    return result.stdout


@SHELLS
@pytest.mark.parametrize("compress", [False, True])
def test_every_probe_has_its_output_code_and_error(shell: list[str], compress: bool) -> None:
    probes = [
        ("a.read", "printf 'x\\n\\n'; echo careful >&2"),
        ("a.absent", "exit 90"),
        ("a.refused", "printf 'line one\\nPermission denied\\n' >&2; exit 92"),
        ("a.empty", ":"),
        ("a.stdin", "cat; echo end"),
    ]
    found = parse_reading(b"Welcome!\n" + answer(shell, *probes, compress=compress), NONCE)
    assert found["a.read"] == Section(0, b"x\n\n", "careful")
    assert found["a.absent"] == Section(90, b"", "")
    assert found["a.refused"] == Section(92, b"", "line one Permission denied")
    assert found["a.empty"] == Section(0, b"", "")
    assert found["a.stdin"] == Section(0, b"end\n", "")


def test_a_shell_that_is_deaf_to_all_signals_reads_as_any() -> None:
    script = "trap '' HUP INT TERM USR1 USR2 ALRM CHLD\n" + reading_script([("a.x", "echo x")])
    given = reading_input(NONCE, compress=False)
    for shell in ["dash"], ["busybox", "sh"], ["bash", "--posix"]:
        done = subprocess.run(
            [*shell, "-c", script], input=given, capture_output=True, timeout=60, check=True
        )
        assert done.stderr == b""
        assert parse_reading(done.stdout, NONCE)["a.x"].output == b"x\n"


@SHELLS
def test_output_that_looks_like_a_frame_is_output(shell: list[str]) -> None:
    forged = "svcform-reading 00 plain\n00 end a.x 0\n00 begin a.y\n00 done\n"
    script = f"printf '%s' '{forged}'"
    found = parse_reading(answer(shell, ("a.x", script), ("a.z", "echo z")), NONCE)
    assert found["a.x"].output.decode() == forged
    assert found["a.z"].output == b"z\n"
    assert "a.y" not in found


@SHELLS
def test_big_and_binary_output_arrives_whole(shell: list[str]) -> None:
    script = "head -c 20000000 /dev/zero; printf '\\377\\000'"
    found = parse_reading(answer(shell, ("a.big", script), compress=True), NONCE)
    assert found["a.big"].output == bytes(20_000_000) + b"\xff\x00"


def test_an_answer_that_is_cut_short_is_none() -> None:
    whole = answer(["dash"], ("a.x", "echo x"))
    for end in range(0, len(whole) - 1, 97):
        with pytest.raises(ReadingFailed):
            parse_reading(whole[:end], NONCE)


@pytest.mark.parametrize("nonce", ["", "not hex", "$(reboot)"])
def test_a_nonce_is_hexadecimal(nonce: str) -> None:
    script = reading_script([])
    result = subprocess.run(["dash", "-c", script], input=f"{nonce}\nplain\n".encode(), check=False)
    assert result.returncode == 64


def test_a_tool_that_hangs_ends_the_reading_and_is_named() -> None:
    """In every shell, packed or not; nothing of it is left."""
    hangs = ("a.slow", "x=$(sh -c 'sleep 61; :' iptables-save -t nat) | cat")
    script = reading_script([("a.good", "echo x"), hangs], limit=3)
    shells = [["dash"], ["busybox", "sh"], ["bash", "--posix"]]
    readings = [
        (subprocess.Popen([*shell, "-c", script], stdin=PIPE, stdout=PIPE, stderr=PIPE), compress)
        for shell in shells
        for compress in (False, True)
    ]
    for reading, compress in readings:
        out, err = reading.communicate(reading_input(NONCE, compress=compress), timeout=60)
        assert reading.returncode == -9
        assert re.search(
            rb"^svcform-remark\tended\t\d+\ta.slow: sh -c sleep 61; : iptables-save -t nat$", err
        )
        with pytest.raises(ReadingFailed):
            parse_reading(out, NONCE)
    assert subprocess.run(["pgrep", "-f", "^sleep 61"], check=False).returncode == 1
