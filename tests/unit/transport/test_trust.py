from __future__ import annotations

from pathlib import Path

import pytest

from svcform.errors import HostKeyMismatch, Unreachable, UsageError
from svcform.model.node import Connection
from svcform.transport import ssh
from svcform.transport.known_hosts import HostKey, look_up, parse
from svcform.transport.options import SshOptions
from svcform.transport.trust import Scan, pin, scan
from tests.unit.transport.sshd import Sshd, run

ED = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
ED2 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJbJMTE5q+bMGR9CJvSb2rCGeWLDYD4cOpPd5k8cXqIy"


def _key(text: str) -> HostKey:
    return parse(f"h {text}")[0].key


def _scan(name: str, text: str, file: Path | None = None) -> Scan:
    pinned = look_up(name, 0, [file]).keys if file is not None else ()
    return Scan(node=name, name=name, seen=(_key(text),), pinned=pinned)


@pytest.mark.root
def test_what_was_scanned_and_pinned_is_then_trusted(node: Sshd, tmp_path: Path) -> None:
    options = SshOptions(pinned_known_hosts=tmp_path / "known_hosts", config_files=(), node="e")
    found = scan(node.connection(), options)
    keys = {run("ssh-keygen", "-lf", p).split()[1] for p in node.directory.glob("host_*.pub")}
    assert {key.fingerprint.split()[1] for key in found.seen} == keys
    assert not found.trusted
    pin(tmp_path / "known_hosts", [found], replace=False, ci=False)
    assert scan(node.connection(), options).trusted
    with ssh.open_session(node.connection(), options) as session:
        assert session.exec("true").code == 0
    # OpenSSH agrees
    assert run("ssh-keygen", "-F", node.name, "-f", tmp_path / "known_hosts")


@pytest.mark.root
def test_scans_through_a_jump_host(node: Sshd, bastion: Sshd, tmp_path: Path) -> None:
    known = tmp_path / "known"
    known.write_text(bastion.line())
    config = tmp_path / "config"
    config.write_text(f"IdentityFile {bastion.id}\nUserKnownHostsFile {known}\n")
    options = SshOptions(config_files=(config,))
    jump = node.connection(ssh_common_args=f"-J free@127.0.0.1:{bastion.port}")
    assert len(scan(jump, options).seen) == 2


def test_a_node_that_is_down_is_unreachable(tmp_path: Path) -> None:
    connection = Connection(host="127.0.0.1", port=1, user="u", timeout=2)
    with pytest.raises(Unreachable):
        scan(connection, SshOptions(config_files=()))


def test_pins_are_sorted_and_writing_twice_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    scans = [_scan("edge-2", ED2), _scan("edge-1", ED)]
    text = pin(file, scans, replace=False, ci=False)
    assert text == f"edge-1 {ED}\nedge-2 {ED2}\n".encode()
    before = file.stat()
    assert pin(file, scans[::-1], replace=False, ci=False) == text
    assert file.stat().st_ino == before.st_ino
    assert list(tmp_path.iterdir()) == [file]


def test_other_lines_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    kept = f"# ours\n@cert-authority *.example {ED2}\n*.lab {ED2}\n"
    file.write_text(f"{kept}edge-9 {ED2}\n")
    pin(file, [_scan("edge-1", ED)], replace=False, ci=False)
    assert file.read_text() == f"{kept}edge-1 {ED}\nedge-9 {ED2}\n"


def test_a_changed_key_is_refused_with_both_fingerprints(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(f"edge-1 {ED}\n")
    with pytest.raises(HostKeyMismatch) as caught:
        pin(file, [_scan("edge-1", ED2, file)], replace=False, ci=False)
    assert _key(ED).fingerprint in str(caught.value)
    assert _key(ED2).fingerprint in str(caught.value)
    assert file.read_text() == f"edge-1 {ED}\n"


@pytest.mark.parametrize("old", ["edge-1", "edge-1,edge-7", "hashed"])
def test_replacing_leaves_no_old_key_of_the_host(tmp_path: Path, old: str) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(f"{old.replace('hashed', 'edge-1')} {ED}\n")
    if old == "hashed":
        run("ssh-keygen", "-q", "-H", "-f", file)
    pin(file, [_scan("edge-1", ED2, file)], replace=True, ci=False)
    assert [key.text for key in look_up("edge-1", 22, [file]).keys] == [ED2]
    assert [key.text for key in look_up("edge-7", 22, [file]).keys] == [ED] * ("7" in old)


def test_a_revoked_key_is_never_pinned(tmp_path: Path) -> None:
    found = Scan(node="e", name="e", seen=(_key(ED),), revoked=(_key(ED),))
    with pytest.raises(HostKeyMismatch, match="revoked"):
        pin(tmp_path / "known_hosts", [found], replace=True, ci=False)


def test_a_pipeline_trusts_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="CI"):
        pin(tmp_path / "known_hosts", [_scan("edge-1", ED)], replace=True, ci=True)
    assert not list(tmp_path.iterdir())
