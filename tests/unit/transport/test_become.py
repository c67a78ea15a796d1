from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from svcform.errors import BecomeFailed, Unreachable
from svcform.transport import ssh
from svcform.transport.contract import BECAME, Installed
from tests.unit.transport.sshd import PASSWORD, Sshd

pytestmark = pytest.mark.root

PAYLOAD = os.urandom(300_000) + b"\n" + PASSWORD.encode() + b"\n\0"
WAYS = [
    ("sudo", "free", None),
    ("sudo", "free", PASSWORD),  # the password that nobody asks for must not reach the script
    ("sudo", "asked", PASSWORD),
    ("sudo", "pty", PASSWORD),
    ("sudo", "tty", PASSWORD),
    ("sudo", "ttyfree", None),
    ("sudo", "noisy", PASSWORD),
    ("doas", "free", None),
    ("doas", "free", PASSWORD),
    ("doas", "asked", PASSWORD),
]


@pytest.mark.parametrize("long_script", [False, True])
@pytest.mark.parametrize(("method", "user", "password"), WAYS)
def test_becomes_root_and_hands_every_byte_over(
    node: Sshd, method: str, user: str, password: str | None, *, long_script: bool
) -> None:
    connection = node.become(user, password, become_method=method)
    script = "id -un; cat; printf 'an error\\n' >&2; exit 7\n" + "# filler\n" * 1000 * long_script
    with ssh.open_session(connection, node.pins()) as session:
        for _ in range(2):  # the second time sudo may remember the password
            result = session.exec(script, stdin=PAYLOAD)
            assert result.code == 7, result.stderr
            assert result.stdout == b"root\n" + PAYLOAD
            assert result.stderr == b"an error\n"


@pytest.mark.parametrize(("method", "user", "password"), WAYS)
def test_a_script_that_lies_on_the_node_is_run_as_root(
    node: Sshd, tmp_path: Path, method: str, user: str, password: str | None
) -> None:
    script = tmp_path / "script"
    marker = f"printf '\\n{BECAME}\\n'; printf '\\n{BECAME}\\n' >&2\n"
    script.write_text(f"{marker}id -un; cat; echo an error >&2; exit 7\n")
    connection = node.become(user, password, become_method=method)
    with ssh.open_session(connection, node.pins()) as session:
        result = session.exec(Installed(str(script)), stdin=PAYLOAD)
    assert (result.code, result.stdout) == (7, b"root\n" + PAYLOAD)
    assert result.stderr == b"an error\n"


@pytest.mark.parametrize("method", ["sudo", "doas", "su"])
def test_becomes_another_user_than_root(node: Sshd, method: str) -> None:
    connection = node.become("asked", PASSWORD, become_user="stranger", become_method=method)
    with ssh.open_session(connection, node.pins()) as session:
        assert session.exec("id -un; cat", stdin=PAYLOAD).stdout == b"stranger\n" + PAYLOAD


@pytest.mark.parametrize(
    ("method", "user"),
    [("sudo", "asked"), ("sudo", "tty"), ("doas", "asked"), ("sudo", "stranger")],
)
def test_a_wrong_password_is_said_so_at_once(node: Sshd, method: str, user: str) -> None:
    connection = node.become(user, "wrong", become_method=method)
    started = time.monotonic()
    with (
        ssh.open_session(connection, node.pins()) as session,
        pytest.raises(BecomeFailed) as caught,
    ):
        session.exec("id", stdin=PAYLOAD)
    assert time.monotonic() - started < 10
    assert "wrong" not in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("method", "user"),
    [
        ("sudo", "asked"),
        ("sudo", "stranger"),
        ("doas", "asked"),
        ("doas", "stranger"),
        ("su", "free"),
    ],
)
def test_a_missing_password_is_become_failed(node: Sshd, method: str, user: str) -> None:
    connection = node.become(user, become_method=method)
    with ssh.open_session(connection, node.pins()) as session, pytest.raises(BecomeFailed):
        session.exec("id")


def test_a_missing_sudo_is_become_failed(node: Sshd) -> None:
    with (
        ssh.open_session(node.become("bare"), node.pins()) as session,
        pytest.raises(BecomeFailed, match="sudo: not found"),
    ):
        session.exec("id")


def test_an_unknown_method_names_those_there_are(node: Sshd) -> None:
    connection = node.become("free", become_method="pbrun")
    with ssh.open_session(connection, node.pins()) as session:
        with pytest.raises(BecomeFailed) as caught:
            session.exec("id")
        assert "doas" in caught.value.remedy


def test_nothing_is_left_of_the_fifos(node: Sshd) -> None:
    connection = node.become("asked", PASSWORD, become_method="doas")
    with ssh.open_session(connection, node.pins()) as session:
        session.exec("true")
        left = session.exec("ls -d /tmp/svcform.* 2>/dev/null | wc -l").stdout
    assert left.strip() in {b"0", b"1"}  # its own


def test_a_login_shell_that_refuses_is_named(node: Sshd) -> None:
    with (
        ssh.open_session(node.connection("none"), node.pins()) as session,
        pytest.raises(Unreachable, match="login shell"),
    ):
        session.exec("id")


def test_the_password_is_never_an_argument(node: Sshd) -> None:
    with ssh.open_session(node.become("asked", PASSWORD), node.pins()) as session:
        listing = session.exec("cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null").stdout
    assert b"svcform" in listing
    assert PASSWORD.encode() not in listing
