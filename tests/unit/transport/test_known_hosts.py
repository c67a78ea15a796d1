from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svcform.errors import HostKeyMismatch
from svcform.transport import host_key
from svcform.transport.known_hosts import HostKey, host_name, look_up, parse
from tests.unit.transport.sshd import make_key, public, run

ED = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
ED2 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJbJMTE5q+bMGR9CJvSb2rCGeWLDYD4cOpPd5k8cXqIy"


def _known(tmp_path: Path, host: str, port: int, *texts: str):
    files = []
    for number, text in enumerate(texts):
        files.append(tmp_path / str(number))
        files[-1].write_text(text)
    return look_up(host, port, files)


@pytest.mark.parametrize(
    ("patterns", "host", "port", "found"),
    [
        ("edge-1", "edge-1", 22, True),
        ("edge-1", "EDGE-1", 22, True),
        ("edge-1,192.0.2.1", "192.0.2.1", 22, True),
        ("edge-1", "edge-10", 22, False),
        ("*.example", "a.example", 22, True),
        ("edge-?", "edge-1", 22, True),
        ("*.example,!b.example", "b.example", 22, False),
        ("!b.example,*.example", "b.example", 22, False),
        ("[edge-1]:2222", "edge-1", 2222, True),
        ("[edge-1]:2222", "edge-1", 22, False),
        ("edge-1", "edge-1", 2222, True),  # as ssh: checked without the port
        ("[fd00::1]:2222", "fd00::1", 2222, True),
        ("fd00::1", "fd00::1", 22, True),
        ("[*]:2222", "edge-1", 2222, True),
        ("ab", "[ab]", 22, False),
    ],
)
def test_patterns_match_as_in_openssh(
    tmp_path: Path, patterns: str, host: str, port: int, *, found: bool
) -> None:
    known = _known(tmp_path, host, port, f"{patterns} {ED}\n")
    assert bool(known.keys or known.portless) is found


@settings(max_examples=40)
@given(
    patterns=st.lists(
        st.tuples(st.sampled_from(["", "!"]), st.text("ab*?.[]:2", min_size=1, max_size=6)),
        min_size=1,
        max_size=3,
    ),
    host=st.text("ab.2", min_size=1, max_size=4).filter(lambda h: not h.startswith(".")),
)
def test_agrees_with_ssh_keygen(
    tmp_path_factory: pytest.TempPathFactory, patterns: list[tuple[str, str]], host: str
) -> None:
    """``ssh-keygen -F`` is OpenSSH's own matcher."""
    file = tmp_path_factory.mktemp("known") / "file"
    file.write_text(",".join("".join(p) for p in patterns) + f" {ED}\n")
    done = subprocess.run(["ssh-keygen", "-F", host, "-f", file], capture_output=True, check=False)
    assert bool(look_up(host, 22, [file]).keys) is (done.returncode == 0)


def test_hashes_of_ssh_keygen_are_understood(tmp_path: Path) -> None:
    file = tmp_path / "known"
    file.write_text(f"edge-1 {ED}\n[edge-2]:2222 {ED2}\n")
    run("ssh-keygen", "-q", "-H", "-f", file)
    assert "|1|" in file.read_text()
    assert look_up("edge-1", 22, [file]).keys[0].text == ED
    assert look_up("edge-2", 2222, [file]).keys[0].text == ED2
    assert not look_up("edge-3", 22, [file]).keys


def test_the_fingerprint_is_that_of_ssh_keygen(tmp_path: Path) -> None:
    path = make_key(tmp_path / "key")
    (entry,) = parse(f"h {public(path)}")
    shown = run("ssh-keygen", "-lf", path).split()[1]
    assert entry.key.fingerprint == f"ssh-ed25519 {shown}"


def test_strange_lines_are_skipped() -> None:
    text = (
        f"# comment\n\n@new-marker x {ED}\nhost ssh-ed25519 !!!\nhost ssh-rsa {ED[12:]}\nh {ED}\n"
    )
    assert [e.patterns for e in parse(text) if not e.marker] == [("h",)]


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    parse(text)


def test_the_first_file_that_knows_the_host_decides(tmp_path: Path) -> None:
    known = _known(tmp_path, "h", 22, f"other {ED}\n", f"h {ED}\n", f"h {ED2}\n")
    assert [key.text for key in known.keys] == [ED]
    assert known.file == str(tmp_path / "1")


def test_a_revocation_in_any_file_counts(tmp_path: Path) -> None:
    known = _known(tmp_path, "h", 22, f"h {ED}\n", f"@revoked * {ED}\n")
    with pytest.raises(HostKeyMismatch, match="revoked"):
        host_key.check(known.keys[0], known, "h")


def test_the_pinned_types_are_asked_for_first() -> None:
    assert host_key.algorithms([HostKey("ssh-rsa", b"")])[:2] == ("rsa-sha2-512", "rsa-sha2-256")
    assert host_key.algorithms([])[0] == "ssh-ed25519"


def test_a_missing_file_knows_nobody(tmp_path: Path) -> None:
    assert not look_up("h", 22, [tmp_path / "none", tmp_path]).keys


def test_another_port_of_the_host_vouches_but_does_not_contradict(tmp_path: Path) -> None:
    """Two sshds on one address have keys of their own."""
    bare = _known(tmp_path, "h", 2222, f"h {ED}\n")
    host_key.check(parse(f"h {ED}")[0].key, bare, "node")
    with pytest.raises(HostKeyMismatch, match="not known"):
        host_key.check(parse(f"h {ED2}")[0].key, bare, "node")
    both = _known(tmp_path, "h", 2222, f"h {ED}\n[h]:2222 {ED2}\n")
    with pytest.raises(HostKeyMismatch, match="changed"):
        host_key.check(parse(f"h {ED}")[0].key, both, "node")


def test_names_have_a_port_only_off_22() -> None:
    assert host_name("H", 22) == "h"
    assert host_name("h", 2222) == "[h]:2222"
