"""Wherever the power went, `runner restore` ends with one confirmed state, and its table."""

from __future__ import annotations

import os
import shutil
import signal
import uuid
from pathlib import Path

import pytest

from tests.unit.engine.node import LabNode, port
from tests.unit.engine.test_faults import (
    carry_out,
    plan,
    settings,
    start_without_confirming,
    wait_for,
)

pytestmark = [pytest.mark.root, pytest.mark.parametrize("shell", ["dash"], indirect=True)]


def restore(lab_node: LabNode, when: str = "boot") -> str:
    return lab_node.run(f"sh {lab_node.state}/runner restore {when}")


def boot(lab_node: LabNode) -> None:
    """What a reboot does to processes and to the boot id; the caller does it to the rest."""
    for pid in lab_node.pids():
        os.kill(pid, signal.SIGKILL)
    lab_node.wait_until_idle()
    fresh = lab_node.state.parent / f"boot-{uuid.uuid4()}"
    fresh.write_text(f"{uuid.uuid4()}\n")
    lab_node.run(f"mount --bind {fresh} /proc/sys/kernel/random/boot_id")


def receipts(lab_node: LabNode) -> list[str]:
    folder = lab_node.state / "receipts"
    return [file.read_text() for file in sorted(folder.iterdir())]


@pytest.mark.parametrize("moved", ["nothing", "services", "confirmed", "everything"])
def test_a_commit_that_the_power_cut_short_is_ended_once(lab_node: LabNode, moved: str) -> None:
    node = lab_node.node()
    carry_out(node, plan(node, port()))
    two = (port(), port("till", "10.96.0.11"))
    start_without_confirming(lab_node, plan(node, *two), confirm_timeout=60)
    (run,) = [r for r in (lab_node.state / "runs").iterdir() if not (r / "outcome").exists()]
    old = lab_node.state.parent / "old"
    for pid in lab_node.pids():
        os.kill(pid, signal.SIGSTOP)
    shutil.copytree(lab_node.state, old)
    for pid in lab_node.pids():
        os.kill(pid, signal.SIGCONT)
    lab_node.run(f"sh {run}/runner confirm {run.name}")
    lab_node.wait_until_idle()
    after = settings(lab_node)
    new = {name: (lab_node.state / name).read_bytes() for name in ("services.tsv", "project")}
    assert new["services.tsv"].count(b"\n") == 2
    count = len(receipts(lab_node))

    shutil.rmtree(run)
    shutil.copytree(old / "runs" / run.name, run)
    (run / "phase").write_text("committing\n")
    if moved == "everything":
        shutil.rmtree(run / "after")
    else:
        shutil.rmtree(lab_node.state / "confirmed")
        shutil.rmtree(lab_node.state / "previous")
        shutil.rmtree(lab_node.state / "receipts")
        shutil.copytree(old / "receipts", lab_node.state / "receipts")
        name = "previous" if moved == "confirmed" else "confirmed"
        shutil.copytree(old / "confirmed", lab_node.state / name)
    if moved == "nothing":
        shutil.copy(old / "services.tsv", lab_node.state / "services.tsv")
    boot(lab_node)
    restore(lab_node)

    assert settings(lab_node) == after
    assert {name: (lab_node.state / name).read_bytes() for name in new} == new
    assert len(receipts(lab_node)) == count
    assert (lab_node.state / "previous" / "services.tsv").read_bytes().count(b"\n") == 1
    assert (lab_node.state / "confirmed" / "services.tsv").read_bytes() == new["services.tsv"]
    assert not (lab_node.state / "lock").exists()


def test_a_checkpoint_that_the_power_cut_short_is_forgotten(lab_node: LabNode) -> None:
    node = lab_node.node()
    carry_out(node, plan(node, port()))
    before = settings(lab_node)
    run = lab_node.state / "runs" / "0123456789abcdef"
    (run / "checkpoint" / "iptables").mkdir(parents=True)
    (run / "meta").write_text("run\t0123456789abcdef\n")
    (run / "worker").write_text("1 1\n")
    (lab_node.state / "lock").write_text("run\t0123456789abcdef\nboot\tof before\nprocess\t1 1\n")
    restore(lab_node)
    assert settings(lab_node) == before
    assert not run.exists()
    assert not (lab_node.state / "lock").exists()


def test_a_restore_waits_for_the_run_that_holds_the_lock(lab_node: LabNode) -> None:
    before = settings(lab_node)
    node = lab_node.node()
    carry_out(node, plan(node, port()))
    confirmed = settings(lab_node)
    assert confirmed != before
    two = (port(), port("till", "10.96.0.11"))
    start_without_confirming(lab_node, plan(node, *two), confirm_timeout=8)
    lab_node.run("ip route del 10.96.0.0/16")
    restore(lab_node, "late")
    assert settings(lab_node) == confirmed
    assert (
        wait_for(lambda: list((lab_node.state / "receipts").glob("*2")))
        .read_text()
        .count("outcome\trolled-back\n")
    )
    assert [text.count("outcome\tapplied\n") for text in receipts(lab_node)] == [1, 0]


def test_before_the_network_a_route_without_its_source_can_wait(lab_node: LabNode) -> None:
    node = lab_node.node()
    carry_out(node, plan(node, port()))
    confirmed = settings(lab_node)
    lab_node.run("ip addr del 192.0.2.11/24 dev e0; ip route flush proto 83")
    restore(lab_node, "boot")
    lab_node.run("ip addr add 192.0.2.11/24 dev e0")
    assert "proto 83" not in settings(lab_node)
    restore(lab_node, "late")
    assert settings(lab_node) == confirmed


def test_a_table_that_was_not_written_comes_from_the_confirmed_state(lab_node: LabNode) -> None:
    node = lab_node.node()
    carry_out(node, plan(node, port()))
    table = lab_node.state / "services.tsv"
    right = table.read_bytes()
    table.write_bytes(b"")
    restore(lab_node)
    assert table.read_bytes() == right
    assert Path(lab_node.state / "runs").is_dir()
