"""The lock file: read, written, merged by Git, refused where it can't be trusted."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from svcform.diagnostics import Location
from svcform.errors import SvcformError
from svcform.inputs import lockfile
from svcform.inputs.lockfile import LockFile
from svcform.model.lock import LockEntry
from svcform.model.service import NamespacedName

ID = "5e0a8c5c-8f52-4a9d-9c52-6f4f2b3d8a11"


def entry(number: int) -> LockEntry:
    return LockEntry(
        cluster_ips=(f"10.96.1.{number}", f"fd00:96::{number}"),
        node_ports={"http/TCP": 30000 + number, "53/UDP": 31000 + number},
        load_balancer_ips=(f"192.0.2.{number}",),
    )


def lock_of(*names: str, nodes: tuple[str, ...] = ("edge-1", "edge-2")) -> LockFile:
    services = {
        NamespacedName("default", name): entry(1 + sum(name.encode()) % 250) for name in names
    }
    return LockFile(project_id=ID, nodes=nodes, services=services)


def parse(text: str | bytes):
    text = text.decode() if isinstance(text, bytes) else text
    return lockfile.parse(text, "svcform.lock.yml")


addresses = st.lists(st.ip_addresses().map(str), max_size=2).map(tuple)
ports = st.dictionaries(
    st.sampled_from(["http/TCP", "53/UDP", "a-b/SCTP"]), st.integers(1, 65535), max_size=3
)
entries = st.builds(LockEntry, cluster_ips=addresses, node_ports=ports, load_balancer_ips=addresses)
keys = st.builds(
    NamespacedName,
    st.from_regex(r"[a-z0-9]([-a-z0-9]{0,6}[a-z0-9])?", fullmatch=True),
    st.from_regex(r"[a-z]([-a-z0-9]{0,6}[a-z0-9])?", fullmatch=True),
)
node_names = st.text(
    st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"], exclude_characters="/"),
    min_size=1,
    max_size=9,
) | st.sampled_from(["edge-1", "on", "NULL", "10", "a: b", "10.0.0.1"])
locks = st.builds(
    LockFile,
    project_id=st.just(ID),
    nodes=st.sets(node_names, max_size=5).map(lambda names: tuple(sorted(names))),
    services=st.dictionaries(keys, entries, max_size=8),
)


@given(locks)
def test_what_is_written_is_read_back_and_is_yaml(lock):
    content = lockfile.render(lock)
    assert parse(content) == (lock, [])
    read = yaml.safe_load(content)
    assert [f"{ns}/{name}" for ns, name in sorted(lock.services)] == list(read["services"] or ())
    assert sorted(read["nodes"] or ()) == list(lock.nodes)
    for (ns, name), held in lock.services.items():
        assert read["services"][f"{ns}/{name}"].get("clusterIPs", []) == list(held.cluster_ips)


def test_the_file_as_a_person_sees_it():
    lock = LockFile(
        project_id=ID,
        nodes=("edge-1",),
        services={
            NamespacedName("default", "web"): LockEntry(
                cluster_ips=("10.96.1.7",), node_ports={"http/TCP": 30080}
            )
        },
    )
    assert lockfile.render(lock).decode() == (
        "# Written by svcform; keep it in Git. One line a node and one a Service, sorted.\n"
        "version: 1\n"
        'needs: "0.1"\n'
        f"project: {ID}\n"
        "nodes:\n"
        "  edge-1: {}\n"
        "services:\n"
        "  default/web: {clusterIPs: [10.96.1.7], nodePorts: {http/TCP: 30080}}\n"
    )


def test_every_entry_knows_its_line():
    lock, _ = parse(lockfile.render(lock_of("a", "b")))
    where = lock.services[NamespacedName("default", "b")].where
    assert where == Location("svcform.lock.yml", 10, 1)
    assert lock.node_lines["edge-2"].line == 7


def test_a_file_that_is_not_there_is_empty(tmp_path):
    assert lockfile.read(tmp_path / lockfile.NAME) == (LockFile(), [])


@pytest.mark.parametrize("content", [b"\xff\xfe", None])
def test_a_file_that_can_t_be_read_is_an_error(tmp_path, content):
    path = tmp_path / lockfile.NAME
    path.mkdir() if content is None else path.write_bytes(content)
    _, findings = lockfile.read(path)
    assert [finding.code for finding in findings] == ["SVC320"]


@pytest.mark.parametrize(
    "line",
    [
        "  default/web: {clusterIPs: [10.96.1.700]}",
        "  default/web: {clusterIPs: [$(reboot)]}",
        "  default/web: {nodePorts: {http/TCP: 65536}}",
        "  default/web: {nodePorts: {http/ICMP: 80}}",
        "  default/web: {something: [1]}",
        "  default/web: [1]",
        "  ../etc/passwd: {}",
        "surprise",
    ],
)
def test_a_line_that_svcform_would_not_write_is_an_error_with_its_place(line):
    _, (finding,) = parse(lockfile.render(lock_of("a")).decode() + line + "\n")
    assert finding.code == "SVC320"
    assert str(finding.where) == "svcform.lock.yml:10:1"


def test_a_newer_format_is_refused_with_the_version_it_needs():
    text = lockfile.render(lock_of("a")).decode()
    newer = text.replace("version: 1", "version: 2").replace('"0.1"', '"0.9"') + "news: {}\n"
    lock, (finding,) = parse(newer)
    assert (lock, finding.code) == (LockFile(), "SVC322")
    assert "svcform 0.9" in finding.detail


def test_two_projects_in_one_file_are_an_error():
    text = lockfile.render(lock_of("a")).decode() + "project: other\n"
    assert [finding.code for finding in parse(text)[1]] == ["SVC323"]


def test_one_service_with_two_values_is_an_error_that_names_both_lines():
    text = lockfile.render(lock_of("a")).decode() + "  default/a: {clusterIPs: [10.96.1.9]}\n"
    _, (finding,) = parse(text)
    assert finding.code == "SVC323"
    assert str(finding.where) == "svcform.lock.yml:10:1"
    assert "line 9" in finding.detail


def test_lines_in_any_order_and_twice_are_taken_as_a_merge_leaves_them():
    lock = lock_of("a", "b", "c")
    lines = lockfile.render(lock).decode().splitlines()
    shuffled = "\n".join([*lines[::-1], lines[-1]])
    assert parse(shuffled) == (lock, [])


def test_conflict_markers_are_an_error_of_their_own():
    text = lockfile.render(lock_of("a")).decode()
    text += "<<<<<<< HEAD\n  default/b: {}\n=======\n  default/c: {}\n>>>>>>> other\n"
    assert {finding.code for finding in parse(text)[1]} == {"SVC321"}


def test_writing_replaces_the_file_for_everybody_to_read(tmp_path):
    path = tmp_path / lockfile.NAME
    path.write_bytes(b"old")
    before = os.umask(0o077)
    try:
        lockfile.write(path, b"new")
    finally:
        os.umask(before)
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [p.name for p in tmp_path.iterdir()] == [lockfile.NAME]


def test_writing_follows_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    link = tmp_path / lockfile.NAME
    link.symlink_to(tmp_path / "real" / "lock")
    lockfile.write(link, b"new")
    assert link.is_symlink()
    assert (tmp_path / "real" / "lock").read_bytes() == b"new"


def test_a_folder_that_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(SvcformError, match="can't be written: No such file or directory"):
        lockfile.write(tmp_path / "gone" / lockfile.NAME, b"")


def test_the_git_attribute_is_added_once():
    once = lockfile.with_git_attribute("*.png binary")
    assert once == "*.png binary\nsvcform.lock.yml merge=union\n"
    assert lockfile.with_git_attribute(once) == once


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    environment = {
        "PATH": os.environ["PATH"],
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_SYSTEM": "/dev/null",
    }
    done = subprocess.run(
        ["git", *identity, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def merged(folder: Path, base: LockFile, ours: LockFile, theirs: LockFile) -> str:
    """What real Git makes of two branches that each write the lock file."""
    git(folder, "init", "-q", "-b", "main")
    path = folder / lockfile.NAME
    for branch, lock in (("main", base), ("ours", ours), ("theirs", theirs)):
        if branch != "main":
            git(folder, "checkout", "-q", "-b", branch, "main")
        lockfile.write(path, lockfile.render(lock))
        git(folder, "add", "-A")
        git(folder, "commit", "-q", "-m", branch)
    git(folder, "checkout", "-q", "ours")
    git(folder, "merge", "-q", "theirs", "-m", "both")
    return path.read_text()


needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


@needs_git
@pytest.mark.parametrize(
    ("base", "ours", "theirs"),
    [
        ("mn", "abcde", "vwxyz"),
        ("mn", "acegi", "bdfhj"),
        ("", "abcde", "fghij"),
        ("", "acegi", "bdfhj"),
    ],
    ids=["apart", "between each other", "into an empty file", "into an empty file, between"],
)
def test_two_branches_that_each_add_five_services_merge(tmp_path, base, ours, theirs):
    text = merged(tmp_path, lock_of(*base), lock_of(*base, *ours), lock_of(*base, *theirs))
    assert parse(text) == (lock_of(*base, *ours, *theirs), [])


@needs_git
def test_a_node_and_a_service_side_by_side_merge(tmp_path):
    base = lock_of("m")
    nodes = ("edge-1", "edge-2", "edge-3")
    text = merged(tmp_path, base, lock_of("m", nodes=nodes), lock_of("a", "m"))
    assert parse(text) == (lock_of("a", "m", nodes=nodes), [])


@needs_git
def test_two_branches_that_allocate_for_one_service_are_told_so(tmp_path):
    key = NamespacedName("default", "web")
    ours, theirs = (
        LockFile(project_id=ID, services={key: LockEntry(cluster_ips=(address,))})
        for address in ("10.96.1.1", "10.96.1.2")
    )
    _, (finding,) = parse(merged(tmp_path, LockFile(project_id=ID), ours, theirs))
    assert finding.code == "SVC323"
    assert "default/web" in finding.detail
