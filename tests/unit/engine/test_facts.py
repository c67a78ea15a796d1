"""How a reading came in, and where sshd listens, as the node says it."""

from __future__ import annotations

import pytest

from svcform.engine.facts import parse_facts
from svcform.model.facts import Init, Listening, SshConnection
from svcform.program.reading import Section


def facts(ssh: str):
    needed = ("fact.host", "fact.addresses", "fact.routes")
    return parse_facts(
        {name: Section(0, b"", "") for name in needed} | {"fact.ssh": Section(0, ssh.encode(), "")}
    )


@pytest.mark.parametrize(
    ("said", "connection"),
    [
        ("", None),
        ("connection \n", None),
        ("connection junk\n", None),
        ("connection a b c d\n", None),
        (
            "connection 198.51.100.7 50022 192.0.2.11 22\n",
            SshConnection("198.51.100.7", "192.0.2.11", 22),
        ),
        (
            "connection ::ffff:198.51.100.7 50022 ::ffff:192.0.2.11 22\n",
            SshConnection("198.51.100.7", "192.0.2.11", 22),
        ),
        (
            "connection fe80::1%eth0 50022 fe80::2%eth0 22\n",
            SshConnection("fe80::1", "fe80::2", 22),
        ),
    ],
)
def test_the_connection(said: str, connection: SshConnection | None) -> None:
    assert facts(said).ssh == connection


@pytest.mark.parametrize(
    ("listed", "address"),
    [
        ("0.0.0.0:22", "0.0.0.0"),
        ("*:22", ""),
        ("[::]:22", "::"),
        ("[2001:DB8::1]:22", "2001:db8::1"),
        ("192.0.2.1%eth0:22", "192.0.2.1"),
    ],
)
def test_where_sshd_listens(listed: str, address: str) -> None:
    assert facts(f"listen {listed}\n").sshd == (Listening(address, 22),)


def test_a_port_that_nobody_is_seen_to_listen_on_is_taken_to_be_everywhere() -> None:
    said = "connection 198.51.100.7 50022 192.0.2.11 22\nlisten 192.0.2.11:2222\n"
    assert facts(said).sshd == (Listening("", 22), Listening("192.0.2.11", 2222))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("", (Init.NONE, False)),
        ("init none\n", (Init.NONE, False)),
        ("init sysv\n", (Init.SYSV, False)),
        ("init systemd\nwritable yes\n", (Init.SYSTEMD, True)),
        ("init runit\nwritable yes\n", (Init.NONE, True)),
    ],
)
def test_what_starts_services(said: str, expected: tuple[Init, bool]) -> None:
    needed = ("fact.host", "fact.addresses", "fact.routes")
    sections = {name: Section(0, b"", "") for name in needed}
    found = parse_facts(sections | {"fact.init": Section(0, said.encode(), "")})
    assert (found.init, found.init_writable) == expected
