from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from svcform.diagnostics import Origin
from svcform.errors import BecomeFailed, Unreachable
from svcform.model.node import Connection, Node
from svcform.model.settings import Settings
from svcform.transport import conversation, local
from svcform.transport.contract import Session
from svcform.transport.open import Opener
from svcform.transport.options import SshOptions

MIB = 1 << 20


@pytest.fixture
def session() -> Session:
    return local.open_session(Connection(kind="local", host="localhost"))


def test_runs_a_script_with_its_input(session: Session) -> None:
    result = session.exec("cat; echo 'an error' >&2; exit 5", stdin=b"\0in\xff")
    assert (result.code, result.stdout, result.stderr) == (5, b"\0in\xff", b"an error\n")


def test_drains_both_streams_while_it_writes(session: Session) -> None:
    data = os.urandom(10 * MIB)
    result = session.exec("head -c 10485760 /dev/zero >&2 & cat; wait", stdin=data)
    assert result.stdout == data
    assert len(result.stderr) == 10 * MIB


def test_input_that_nobody_reads_is_no_failure(session: Session) -> None:
    assert session.exec("exit 3", stdin=bytes(10 * MIB)).code == 3


def test_a_signal_is_a_negative_code(session: Session) -> None:
    assert session.exec("kill -TERM $$").code == -signal.SIGTERM


def test_a_login_that_hangs_is_not_waited_for_as_long_as_a_script(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(conversation, "_LOGIN_SECONDS", 0.5)
    hangs = local.LocalSession(Connection(kind="local", host="here"), ("sh", "-c", "sleep 59"))
    with pytest.raises(Unreachable, match="The login at here had not come to the script after"):
        hangs.exec("true", timeout=60)
    monkeypatch.setattr(conversation, "_LOGIN_SECONDS", 5.0)
    begins = local.LocalSession(Connection(kind="local", host="here"), ())
    assert begins.exec("sleep 6; echo done", timeout=60).stdout == b"done\n"


def test_after_the_timeout_nothing_is_left_running(session: Session, tmp_path: Path) -> None:
    script = f"sh -c 'echo $$ >{tmp_path}/pid; sleep 60' & wait"
    with pytest.raises(Unreachable, match="after 5 seconds"):
        session.exec(script, timeout=5)
    pid = int((tmp_path / "pid").read_text())
    for _ in range(1500):
        if not _alive(pid):
            return
        time.sleep(0.02)
    raise AssertionError("the script's child still runs")


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_root_becomes_root_without_sudo() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    connection = Connection(kind="local", host="localhost", become=True, become_method="doas")
    assert local.open_session(connection).exec("id -u").stdout == b"0\n"


def test_root_becomes_another_user_by_sudo() -> None:
    if os.geteuid() != 0 or shutil.which("sudo") is None:
        pytest.skip("needs root and sudo")
    connection = Connection(
        kind="local", host="localhost", become=True, become_user="nobody", become_password="unasked"
    )
    result = local.open_session(connection).exec("id -un; cat", stdin=bytes(MIB))
    assert result.stdout == b"nobody\n" + bytes(MIB)


def test_a_become_user_that_there_is_not_is_become_failed() -> None:
    connection = Connection(kind="local", host="localhost", become=True, become_user="no-such-user")
    with pytest.raises(BecomeFailed):
        local.open_session(connection).exec("id -u")


@pytest.fixture
def namespace() -> Iterator[int]:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    script = "hostname svcf-transport-lab && echo ready && exec sleep 300"
    process = subprocess.Popen(
        ["unshare", "--net", "--mount", "--uts", "sh", "-c", script], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    yield process.pid
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.mark.root
def test_enters_a_lab_nodes_namespaces(namespace: int) -> None:
    connection = Connection(kind="svcform_lab", host="lab-1", lab_pid=namespace, become=True)
    session = local.open_session(connection)
    assert session.exec("uname -n; cat", stdin=b"in").stdout == b"svcf-transport-lab\nin"
    links = session.exec("cat /proc/self/net/dev").stdout
    assert links.count(b":") == 1


def test_enters_a_user_namespace_of_its_own() -> None:
    process = subprocess.Popen(
        ["unshare", "-Urnmu", "sh", "-c", "echo ready; exec sleep 300"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    try:
        if not process.stdout.readline():
            pytest.skip("the kernel allows no user namespaces")
        connection = Connection(kind="svcform_lab", host="lab-1", lab_pid=process.pid)
        result = local.open_session(connection).exec("id -u; cat /proc/self/uid_map")
        assert result.stdout.split()[:3] == [b"0", b"0", str(os.geteuid()).encode()]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_lab_that_is_down_is_unreachable() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    with pytest.raises(Unreachable, match="no process"):
        local.open_session(Connection(kind="svcform_lab", host="lab-1", lab_pid=gone.pid))


def test_an_unknown_connection_names_what_there_is() -> None:
    node = Node(
        name="edge-1",
        connection=Connection(kind="winrm", host="h"),
        settings=Settings(),
        plays=(0,),
        origin=Origin(""),
    )
    with pytest.raises(Unreachable, match="winrm"):
        Opener(SshOptions())(node)
