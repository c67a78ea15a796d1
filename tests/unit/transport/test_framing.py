from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svcform.errors import BecomeFailed
from svcform.model.node import Connection
from svcform.transport.conversation import Conversation
from svcform.transport.framing import COMMAND, encode, frame

SHELLS = [
    argv
    for argv in (["dash"], ["bash"], ["busybox", "sh"], ["zsh"], ["csh"], ["tcsh"], ["fish"])
    if shutil.which(argv[0])
]
TEXT = "".join(map(chr, [*range(1, 128), *range(0x80, 0x250), 0x2192, 0x1F600]))
SUDO = Connection(host="h", become=True, become_password="pass word")


def _run(shell: list[str], command: str, stdin: bytes) -> bytes:
    done = subprocess.run([*shell, "-c", command], input=stdin, capture_output=True, check=True)
    return done.stdout


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_every_login_shell_hands_script_and_input_over(shell: list[str]) -> None:
    script = "printf '%s' '" + TEXT.replace("'", "'\\''") + "'; cat"
    assert _run(shell, COMMAND, encode(script) + b"\0rest\xff") == TEXT.encode() + b"\0rest\xff"


@settings(max_examples=30)
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=200))
def test_any_text_reaches_the_script_unharmed(text: str) -> None:
    script = "printf '%s' '" + text.replace("'", "'\\''") + "'"
    assert _run(["sh"], COMMAND, encode(script)) == text.encode()


def test_a_script_is_one_line_of_plain_ascii() -> None:
    line = encode(TEXT)
    assert line.count(b"\n") == 1
    assert line.isascii()


def test_a_nul_byte_is_no_script() -> None:
    with pytest.raises(ValueError, match="NUL"):
        encode("a\0b")


def test_the_password_is_in_no_command_and_not_in_what_is_printed() -> None:
    framed = frame("id", b"", SUDO, "nonce")
    assert b"pass word" not in framed.line
    assert "pass word" not in framed.command + repr(framed) + repr(SUDO)


def test_the_password_waits_for_the_prompt_and_the_input_for_the_shell() -> None:
    framed = frame("cat", b"payload", SUDO, "nonce")
    talk = Conversation(framed, SUDO, "h")
    assert talk.opening() == (framed.line, False)
    assert talk.hear(b"motd\nnonce\n", b"noise\nnonce\nlecture") == (b"", False)
    assert talk.hear(b"", framed.prompt[:5]) == (b"", False)
    assert talk.hear(b"", framed.prompt[5:]) == (b"pass word\n", False)
    assert talk.hear(b"\nSVCFORM-BECAME\nout", b"") == (b"payload", True)
    talk.hear(b"put", b"\nSVCFORM-BECAME\nerr")
    result = talk.result(0)
    assert (result.stdout, result.stderr) == (b"output", b"err")


def test_a_prompt_in_words_of_its_own_is_answered_too() -> None:
    """A PAM module that asks itself doesn't use sudo's ``-p``."""
    talk = Conversation(frame("cat", b"", SUDO, "nonce"), SUDO, "h")
    talk.hear(b"\nnonce\n", b"\nnonce\n")
    assert talk.hear(b"", b"LDAP Password: ") == (b"pass word\n", False)


def test_a_second_prompt_is_a_wrong_password() -> None:
    framed = frame("cat", b"", SUDO, "nonce")
    talk = Conversation(framed, SUDO, "h")
    talk.hear(b"\nnonce\n", b"\nnonce\n" + framed.prompt)
    with pytest.raises(BecomeFailed, match="did not accept"):
        talk.hear(b"", b"Sorry, try again.\n" + framed.prompt)


def test_the_commands_of_short_scripts_are_constant() -> None:
    """So that a sudoers line can allow exactly one."""
    connection = Connection(host="h", become=True)
    lines = {frame("id -u", b"", connection, nonce).line for nonce in ("x1", "x2")}
    commands = {line.split(b"exec sudo")[1] for line in lines}
    assert len(lines) == 2
    assert len(commands) == 1
