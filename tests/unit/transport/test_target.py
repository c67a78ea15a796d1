from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from svcform.errors import Unreachable
from svcform.model.node import Connection
from svcform.transport.options import SshOptions
from svcform.transport.target import Target, ignored_arguments, resolve


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    (tmp_path / ".ssh").mkdir()
    return tmp_path


def _resolve(home: Path, config: str, **connection: object) -> Target:
    (home / ".ssh/config").write_text(config)
    fields: dict[str, object] = {"host": "edge-1", **connection}
    options = SshOptions(config_files=(home / ".ssh/config",), pinned_known_hosts=home / "pins")
    return resolve(Connection(**fields), options)  # type: ignore[arg-type]


def test_the_inventory_wins_over_arguments_and_they_over_the_file(home: Path) -> None:
    config = "Host edge-*\n Port 1\n User file\n IdentityFile ~/file\n HostName 192.0.2.1\n"
    arguments = "-p 2 -o User=argument -i ~/argument"
    target = _resolve(home, config)
    assert (target.port, target.user, target.host) == (1, "file", "192.0.2.1")
    target = _resolve(home, config, ssh_common_args=arguments)
    assert (target.port, target.user) == (2, "argument")
    target = _resolve(
        home, config, ssh_common_args=arguments, port=3, user="inventory", private_key_file="~/own"
    )
    assert (target.port, target.user) == (3, "inventory")
    assert target.identity_files == (home / "own", home / "argument", home / "file")


def test_the_first_value_in_the_file_counts(home: Path) -> None:
    target = _resolve(home, "Port 1\nHost edge-1\n Port 2\n")
    assert target.port == 1


def test_negated_patterns_and_equals_signs(home: Path) -> None:
    config = 'Host * !edge-1\n Port=1\nHost "edge-1" # me\n  pOrT = 2\n'
    assert _resolve(home, config).port == 2


def test_includes_are_followed_with_globs_and_inside_host_blocks(home: Path) -> None:
    conf = home / ".ssh/conf.d"
    conf.mkdir()
    (conf / "10-a").write_text("Host other\n Port 9\nHost edge-1\n Port 1\n")
    (conf / "20-b").write_text("User b\nPort 2\n")
    config = "Host other\n Include conf.d/*\nHost edge-1\n Include conf.d/*\n User own\n"
    target = _resolve(home, config)
    assert (target.port, target.user) == (1, "b")


def test_an_include_of_itself_ends(home: Path) -> None:
    assert _resolve(home, "Include config\nPort 7\n").port == 7


@pytest.mark.parametrize(
    ("criteria", "matches"),
    [
        ("all", True),
        ("host edge-*", True),
        ("!host edge-*", False),
        ("host 192.0.2.1", False),
        ("originalhost edge-1 user root", False),
        ("user ops", True),
        ("host edge-1 exec true", True),
        ('exec "test %h = edge-1"', True),
        ("exec false", False),
        ("final", True),
        ("canonical", False),
        ("tagged x", False),
    ],
)
def test_match_criteria(home: Path, criteria: str, *, matches: bool) -> None:
    target = _resolve(home, f"Match {criteria}\n Port 7\n", user="ops")
    assert (target.port == 7) is matches


def test_a_command_of_match_runs_only_if_the_rest_matched(home: Path) -> None:
    _resolve(home, f"Match host other exec 'touch {home}/ran'\n Port 1\n")
    assert not (home / "ran").exists()


def test_jump_hosts_take_nothing_of_the_nodes_own(home: Path) -> None:
    config = (
        "Host edge-1\n ProxyJump one,two@[fd00::2]:2222\n"
        "Host one\n HostName 192.0.2.9\n IdentityFile ~/one\n ProxyJump zero\n"
        "Host fd00::2\n ProxyJump never\n"
    )
    target = _resolve(home, config, user="ops", password="secret", private_key_file="~/own")
    labels = [(j.host, j.port, j.user == "two") for j in target.jumps]
    assert labels == [("zero", 22, False), ("192.0.2.9", 22, False), ("fd00::2", 2222, True)]
    assert all(j.password is None and home / "own" not in j.identity_files for j in target.jumps)


def test_a_jump_host_is_not_sent_to_itself(home: Path) -> None:
    config = "Host bastion\n HostName 192.0.2.9\nHost *\n ProxyJump bastion\n"
    assert [j.host for j in _resolve(home, config).jumps] == ["192.0.2.9"]
    assert _resolve(home, config, host="bastion").jumps == ()


def test_jumps_in_a_circle_are_an_error(home: Path) -> None:
    config = "Host a\n ProxyJump b\nHost b\n ProxyJump c\nHost c\n ProxyJump a\n"
    with pytest.raises(Unreachable, match="more than 8"):
        _resolve(home, config, host="a")


def test_of_jump_and_command_the_first_counts(home: Path) -> None:
    config = "ProxyCommand nc %h %p\nProxyJump one\n"
    assert _resolve(home, config, port=5).proxy_command == "nc edge-1 5"
    assert [j.host for j in _resolve(home, config, ssh_common_args="-J two").jumps] == ["two"]
    assert _resolve(home, config, ssh_common_args="-o ProxyCommand=none").proxy_command == ""


def test_known_hosts_are_the_pinned_the_users_and_the_systems(home: Path) -> None:
    assert [str(path) for path in _resolve(home, "").known_hosts] == [
        f"{home}/pins",
        f"{home}/.ssh/known_hosts",
        f"{home}/.ssh/known_hosts2",
        "/etc/ssh/ssh_known_hosts",
        "/etc/ssh/ssh_known_hosts2",
    ]
    config = "UserKnownHostsFile ~/%h.known\nGlobalKnownHostsFile none\n"
    assert _resolve(home, config).known_hosts == (home / "pins", home / "edge-1.known")


def test_an_alias_of_the_host_key_has_no_port(home: Path) -> None:
    target = _resolve(home, "HostKeyAlias cluster\nPort 2222\n")
    assert target.key_host == ("cluster", 0)


def test_agents_of_the_file_and_the_environment(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent")
    assert _resolve(home, "").agent == "/run/agent"
    assert _resolve(home, "IdentityAgent none\n").agent == ""
    assert _resolve(home, "IdentityAgent ~/sock\n").agent == f"{home}/sock"


def test_another_file_is_read_instead(home: Path) -> None:
    (home / "other").write_text("Port 8\n")
    assert _resolve(home, "Port 1\n", ssh_common_args="-F ~/other").port == 8
    assert _resolve(home, "Port 1\n", ssh_common_args="-F none").port == 22


def test_arguments_without_effect_are_listed(home: Path) -> None:
    arguments = "-C -o ControlMaster=auto -o 'ControlPath=/a b' -vv -oStrictHostKeyChecking=no -p 5"
    connection = Connection(host="h", ssh_common_args=arguments)
    assert ignored_arguments(connection) == (
        "-C",
        "-o ControlMaster=auto",
        "-o ControlPath=/a b",
        "-v",
        "-v",
        "-o StrictHostKeyChecking=no",
    )


@pytest.mark.parametrize(
    ("config", "arguments"),
    [("Port many\n", ""), ("", "-J 'a b:c'"), ("", "-o 'unclosed"), ("", "-p 70000")],
)
def test_what_can_not_be_followed_says_so(home: Path, config: str, arguments: str) -> None:
    with pytest.raises(Unreachable) as caught:
        _resolve(home, config, ssh_common_args=arguments)
    assert caught.value.remedy


def test_works_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("os.getuid", lambda: 54321)
    target = resolve(Connection(host="h", user="u"), SshOptions())
    assert target.identity_files == ()
    monkeypatch.delenv("USER", raising=False)
    with pytest.raises(Unreachable, match="user name"):
        resolve(Connection(host="h"), SshOptions(config_files=()))


def test_secrets_are_not_shown() -> None:
    target = dataclasses.replace(Target(host="h", user="u"), password="secret")
    assert "secret" not in repr(target)
