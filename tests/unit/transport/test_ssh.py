from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from svcform.errors import AuthenticationFailed, HostKeyMismatch, Unreachable
from svcform.transport import ssh
from svcform.transport.options import SshOptions
from tests.unit.transport.sshd import PASSWORD, Sshd, make_key, public, run

pytestmark = pytest.mark.root

MIB = 1 << 20


@pytest.fixture
def session(node: Sshd) -> Iterator[ssh.SshSession]:
    with ssh.open_session(node.connection(), node.pins()) as session:
        yield session


def test_runs_a_script_with_its_input(session: ssh.SshSession) -> None:
    result = session.exec(
        "cat; printf '%s\\n' \"it's odd \\\\n → !\" >&2; exit 5", stdin=b"\0in\xff"
    )
    assert (result.code, result.stdout) == (5, b"\0in\xff")
    assert result.stderr.decode() == "it's odd \\n → !\n"


def test_says_where_it_leads(node: Sshd, session: ssh.SshSession) -> None:
    fingerprint = run("ssh-keygen", "-lf", node.directory / "host_ed25519.pub").split()[1]
    assert session.binding.host_key == f"ssh-ed25519 {fingerprint}"
    assert (session.binding.address, session.binding.port) == ("127.0.0.1", node.port)


def test_drains_both_streams_while_it_writes(session: ssh.SshSession) -> None:
    data = os.urandom(10 * MIB)
    script = "head -c 10485760 /dev/zero >&2 & cat; wait"
    result = session.exec(script, stdin=data, timeout=60)
    assert hashlib.sha256(result.stdout).digest() == hashlib.sha256(data).digest()
    assert result.stderr == bytes(10 * MIB)


def test_one_stream_after_the_other_does_not_block(session: ssh.SshSession) -> None:
    script = "head -c 10485760 /dev/zero >&2; head -c 10485760 /dev/zero; cat >/dev/null"
    result = session.exec(script, stdin=bytes(10 * MIB), timeout=60)
    assert (len(result.stdout), len(result.stderr)) == (10 * MIB, 10 * MIB)


def test_moves_fifty_megabytes_in_seconds(session: ssh.SshSession) -> None:
    started = time.monotonic()
    assert session.exec("wc -c", stdin=bytes(50 * MIB)).stdout.split() == [b"52428800"]
    assert len(session.exec("head -c 52428800 /dev/zero").stdout) == 50 * MIB
    assert time.monotonic() - started < 15


def test_input_that_nobody_reads_is_no_failure(session: ssh.SshSession) -> None:
    assert session.exec("exit 3", stdin=bytes(20 * MIB)).code == 3


def test_a_signal_is_a_negative_code(session: ssh.SshSession) -> None:
    assert session.exec("kill -TERM $$").code == -signal.SIGTERM


def test_a_long_command_is_given_up(session: ssh.SshSession) -> None:
    started = time.monotonic()
    with pytest.raises(Unreachable, match=r"0\.3 seconds"):
        session.exec("sleep 20", timeout=0.3)
    assert time.monotonic() - started < 5
    assert session.exec("echo on").stdout == b"on\n"


def test_a_node_that_hangs_is_given_up(session: ssh.SshSession) -> None:
    server = int(session.exec("echo $PPID").stdout)
    os.kill(server, signal.SIGSTOP)
    try:
        started = time.monotonic()
        with pytest.raises(Unreachable, match="1 seconds"):
            session.exec("true", timeout=1)
        assert time.monotonic() - started < 4
    finally:
        os.kill(server, signal.SIGKILL)


def test_a_cut_connection_is_unreachable(session: ssh.SshSession) -> None:
    with pytest.raises(Unreachable, match="lost"):
        session.exec("echo some; kill -9 $PPID; sleep 5")
    with pytest.raises(Unreachable):
        session.exec("true")


def test_a_login_shell_that_prints_does_no_harm(node: Sshd) -> None:
    with ssh.open_session(node.connection("noisy"), node.pins()) as session:
        result = session.exec("cat; echo e >&2", stdin=b"data")
    assert (result.stdout, result.stderr) == (b"data", b"e\n")


# --- host keys ---------------------------------------------------------------------------------


def _refused(node: Sshd, pins: str) -> HostKeyMismatch:
    with pytest.raises(HostKeyMismatch) as caught:
        ssh.open_session(node.connection(), node.pins(pins))
    return caught.value


def _fingerprint(path: Path) -> str:
    return run("ssh-keygen", "-lf", f"{path}.pub").split()[1]


def test_an_unknown_key_names_fingerprint_and_command(node: Sshd) -> None:
    error = _refused(node, "")
    assert _fingerprint(node.directory / "host_ed25519") in str(error)
    assert "svcform trust edge-1" in error.remedy


def test_a_changed_key_shows_both_fingerprints(node: Sshd, tmp_path: Path) -> None:
    other = make_key(tmp_path / "other")
    error = _refused(node, f"{node.name} {public(other)}\n")
    assert _fingerprint(other) in str(error)
    assert _fingerprint(node.directory / "host_ed25519") in str(error)
    assert "svcform trust --replace edge-1" in error.remedy


def test_a_revoked_key_is_refused_although_it_is_pinned(node: Sshd) -> None:
    key = node.line().split(" ", 1)[1]
    assert "@revoked" in str(_refused(node, f"{node.line()}@revoked * {key}"))


def test_a_certificate_authority_is_no_key(node: Sshd) -> None:
    key = node.line().split(" ", 1)[1]
    assert "@cert-authority" in str(_refused(node, f"@cert-authority * {key}"))


def test_marker_and_broken_lines_take_no_key_away(node: Sshd, tmp_path: Path) -> None:
    other = public(make_key(tmp_path / "other"))
    text = f"@cert-authority *.example {other}\n@revoked * {other}\nbroken line\n{node.line()}"
    with ssh.open_session(node.connection(), node.pins(text)) as session:
        assert session.exec("echo ok").stdout == b"ok\n"


def test_asks_for_the_key_type_that_is_pinned(node: Sshd) -> None:
    with ssh.open_session(node.connection(), node.pins(node.line("rsa"))) as session:
        assert session.binding.host_key.startswith("ssh-rsa ")


def test_a_hashed_entry_of_the_users_own_file_is_enough(node: Sshd, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    known.write_text(node.line())
    run("ssh-keygen", "-q", "-H", "-f", known)
    connection = node.connection(ssh_common_args=f"-o UserKnownHostsFile={known}")
    with ssh.open_session(connection, node.pins("")) as session:
        assert session.exec("true").code == 0


# --- logging in --------------------------------------------------------------------------------


def test_a_password_logs_in(node: Sshd) -> None:
    connection = node.connection("asked", private_key_file="", password=PASSWORD)
    with ssh.open_session(connection, node.pins()) as session:
        assert session.exec("id -un").stdout == b"asked\n"


def test_what_was_tried_is_listed_without_the_password(node: Sshd, tmp_path: Path) -> None:
    stranger = make_key(tmp_path / "stranger")
    locked = make_key(tmp_path / "locked", passphrase="sesame")
    connection = node.connection(
        private_key_file=str(locked),
        password="open!",
        ssh_common_args=f"{node.connection().ssh_common_args} -i {stranger} -i {tmp_path}/none",
    )
    with pytest.raises(AuthenticationFailed) as caught:
        ssh.open_session(connection, node.pins())
    text = str(caught.value)
    assert f"{stranger}," in text
    assert f"{locked} (is encrypted" in text
    assert f"{tmp_path}/none (does not exist)" in text
    assert "open!" not in text + caught.value.remedy


def test_a_key_of_the_agent_logs_in(
    node: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sock = tmp_path / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(sock)], stdout=subprocess.DEVNULL)
    try:
        while not sock.exists():
            time.sleep(0.01)
        run("ssh-add", "-q", node.id, env={**os.environ, "SSH_AUTH_SOCK": str(sock)})
        monkeypatch.setenv("SSH_AUTH_SOCK", str(sock))
        monkeypatch.setenv("HOME", str(tmp_path))
        connection = node.connection(private_key_file="")
        with ssh.open_session(connection, node.pins()) as session:
            assert session.exec("id -un").stdout == b"free\n"
    finally:
        agent.terminate()
        agent.wait()


def test_works_without_home_and_passwd_entry(node: Sshd) -> None:
    script = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from svcform.model.node import Connection\n"
        "from svcform.transport import ssh\n"
        "from svcform.transport.options import SshOptions\n"
        "port, pins = sys.argv[1:]\n"
        "password = sys.stdin.read()\n"
        "c = Connection(host='127.0.0.1', port=int(port), user='asked', password=password)\n"
        "def work():\n"
        "    with ssh.open_session(c, SshOptions(pinned_known_hosts=Path(pins))) as s:\n"
        "        return s.exec('id -un').stdout.decode()\n"
        # once before: the interpreter and what it loads late may lie in root's home
        "work()\n"
        "os.setuid(54321)\n"
        "print(work(), end='')\n"
    )
    pins = node.pins().pinned_known_hosts
    assert pins is not None
    done = subprocess.run(
        [sys.executable, "-c", script, str(node.port), str(pins)],
        input=PASSWORD,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "asked\n", done.stderr


def test_a_certificate_logs_in(strict: Sshd, tmp_path: Path) -> None:
    key = make_key(tmp_path / "key")
    connection = strict.connection("asked", private_key_file=str(key))
    with pytest.raises(AuthenticationFailed):
        ssh.open_session(connection, strict.pins())
    run("ssh-keygen", "-q", "-s", strict.id, "-I", "me", "-n", "asked", f"{key}.pub")
    with ssh.open_session(connection, strict.pins()) as session:
        assert session.exec("id -un").stdout == b"asked\n"


@pytest.mark.parametrize("right", [True, False])
def test_a_password_answers_a_prompt(strict: Sshd, *, right: bool) -> None:
    password = PASSWORD if right else "wrong"
    connection = strict.connection("asked", private_key_file="", password=password)
    if right:
        with ssh.open_session(connection, strict.pins()) as session:
            assert session.exec("id -un").stdout == b"asked\n"
    else:
        with pytest.raises(AuthenticationFailed, match="keyboard-interactive"):
            ssh.open_session(connection, strict.pins())


# --- ways --------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["argument", "included", "command"])
def test_goes_through_a_jump_host(node: Sshd, bastion: Sshd, tmp_path: Path, how: str) -> None:
    known = tmp_path / "known_hosts"
    known.write_text(bastion.line() + node.line())
    config = tmp_path / "config"
    jump = (
        f"Host bastion\n HostName 127.0.0.1\n Port {bastion.port}\n User stranger\n"
        f" IdentityFile {bastion.id}\n"
    )
    (tmp_path / "more").write_text("Host inner\n ProxyJump bastion\n" if how == "included" else "")
    config.write_text(
        f"Include {tmp_path}/mo*\n{jump}Host inner\n HostName 127.0.0.1\n Port {node.port}\n"
        f"Host *\n UserKnownHostsFile {known}\n GlobalKnownHostsFile none\n"
    )
    extra = {
        "argument": "-J bastion -o ControlMaster=auto",
        "included": "",
        "command": f"-o 'ProxyCommand=ssh -F {config} -W %h:%p bastion'",
    }[how]
    connection = node.connection(host="inner", port=0, ssh_common_args=f"-F {config} {extra}")
    with ssh.open_session(connection, SshOptions(node="edge-1")) as session:
        port = session.exec("echo $SSH_CONNECTION").stdout.split()[3]
        assert int(port) == node.port
        data = os.urandom(2 * MIB)
        assert session.exec("cat", stdin=data).stdout == data


def test_the_jump_hosts_key_is_checked_too(node: Sshd, bastion: Sshd) -> None:
    connection = node.connection(ssh_common_args=f"-J free@127.0.0.1:{bastion.port}")
    with pytest.raises(HostKeyMismatch, match=str(bastion.port)):
        ssh.open_session(connection, node.pins())


def test_a_closed_port_is_unreachable_at_once(node: Sshd) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        started = time.monotonic()
        with pytest.raises(Unreachable, match="refused"):
            ssh.open_session(node.connection(port=unused.getsockname()[1]), node.pins())
        assert time.monotonic() - started < 2


def test_a_silent_port_times_out(node: Sshd) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        with pytest.raises(Unreachable, match="within 1 seconds"):
            ssh.open_session(node.connection(port=silent.getsockname()[1], timeout=1), node.pins())
        assert time.monotonic() - started < 4


def test_a_server_that_speaks_no_ssh_leaves_no_traceback() -> None:
    script = (
        "import socket, threading\n"
        "from svcform.errors import Unreachable\n"
        "from svcform.model.node import Connection\n"
        "from svcform.transport import ssh\n"
        "from svcform.transport.options import SshOptions\n"
        "server = socket.create_server(('127.0.0.1', 0))\n"
        "def serve():\n"
        "    while True:\n"
        "        peer = server.accept()[0]\n"
        "        peer.sendall(b'HTTP/1.1 400 Bad Request\\r\\n' * 200)\n"
        "        peer.close()\n"
        "threading.Thread(target=serve, daemon=True).start()\n"
        "port = server.getsockname()[1]\n"
        "c = Connection(host='127.0.0.1', port=port, user='u', timeout=2)\n"
        "try:\n"
        "    ssh.open_session(c, SshOptions(config_files=()))\n"
        "except Unreachable as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert b"No SSH connection to 127.0.0.1" in done.stdout
    assert done.stderr == b""


def test_a_connection_dropped_at_random_is_tried_again(node: Sshd) -> None:
    """MaxStartups closes connections before they say anything."""
    with socket.create_server(("127.0.0.1", 0)) as front:
        port = front.getsockname()[1]

        def serve() -> None:
            front.accept()[0].close()
            ours, _ = front.accept()
            theirs = socket.create_connection(("127.0.0.1", node.port))
            for source, sink in ((ours, theirs), (theirs, ours)):
                threading.Thread(target=_copy, args=(source, sink), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        pins = node.pins(f"[127.0.0.1]:{port} {node.line().split(' ', 1)[1]}")
        with ssh.open_session(node.connection(port=port), pins) as session:
            assert session.exec("echo ok").stdout == b"ok\n"


def _copy(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass


def test_a_name_that_does_not_resolve_is_unreachable(node: Sshd) -> None:
    with pytest.raises(Unreachable, match="resolved"):
        ssh.open_session(node.connection(host="no-such-host.invalid"), node.pins())


def test_an_ipv6_address_is_a_host(node: Sshd) -> None:
    pins = node.pins(node.line().replace("127.0.0.1", "::1"))
    with ssh.open_session(node.connection(host="::1"), pins) as session:
        assert session.exec("echo $SSH_CONNECTION").stdout.startswith(b"::1 ")


def test_a_node_that_falls_silent_is_noticed_in_seconds(
    session: ssh.SshSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As over a link that was cut behind a jump host: TCP has nothing to say of it."""
    monkeypatch.setattr("svcform.transport.ssh.pump._SILENT_SECONDS", 5)
    begun = time.monotonic()
    with pytest.raises(Unreachable, match="nothing came from it for too long"):
        session.exec("(sleep 20; kill -KILL $PPID) & kill -STOP $PPID; sleep 60", timeout=60)
    assert 4 < time.monotonic() - begun < 12


def test_a_command_that_says_nothing_is_waited_for(
    session: ssh.SshSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("svcform.transport.ssh.pump._SILENT_SECONDS", 5)
    assert session.exec("sleep 8; echo done", timeout=60).stdout == b"done\n"
