"""A play's lock on a real node: one holder at a time, and none that is dead."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from svcform.engine.apply import ApplyOptions, Reach, apply, apply_under_lock
from svcform.engine.observe import Observation, observe
from svcform.engine.outcome import Result
from svcform.engine.play_lock import Claim, hold, lock_nodes
from svcform.engine.propose import propose
from svcform.errors import LockHeld
from svcform.model.node import Node, Play
from svcform.plan.plan import Batch, NodePlan, Plan, Problem
from svcform.plan.services import ServiceChange, ServiceRow
from tests.unit.engine.node import LabNode, intent, opener, port, workspace

ALICE = Claim(plan="a" * 64, who="alice", source="laptop")
BOB = Claim(plan="b" * 64, who="bob", source="desk")
PLACES = (("n1",),)

ROW = ServiceRow("default/web", "TCP", "IPv4", (), ())
BUSY = (ServiceChange(None, ROW),)


def planned(*busy: str, idle: Sequence[str] = (), problem: Sequence[str] = ()) -> Plan:
    nodes = [
        *(NodePlan(node=name, service_changes=BUSY) for name in busy),
        *(NodePlan(node=name) for name in idle),
        *(NodePlan(node=n, problem=Problem(reason="unreachable", message="")) for n in problem),
    ]
    return Plan(project_id="0123", nodes=tuple(nodes))


def play(*nodes: str) -> Play:
    return Play(name="edge", nodes=nodes)


def get(nodes: dict[str, Node], claim: Claim) -> bool:
    """Take the lock and give it back."""
    with hold(PLACES, nodes, opener, claim) as held:
        return held()


def test_the_lock_lies_on_the_plays_first_node_by_name_whatever_the_limit() -> None:
    assert lock_nodes(planned("c", "b"), [play("c", "a", "b")]) == (("a", "b", "c"),)


def test_a_first_node_that_could_not_be_read_is_not_asked() -> None:
    found = lock_nodes(planned("b", problem=["a"]), [play("a", "b", "c")])
    assert found == (("b",),)


def test_a_play_without_changes_or_with_one_node_needs_no_lock() -> None:
    assert lock_nodes(planned("x", idle=["a", "b"]), [play("a", "b"), play("x")]) == ()


def test_two_applies_take_several_locks_in_the_same_order() -> None:
    plays = [play("c", "d"), play("a", "b")]
    assert lock_nodes(planned("a", "c"), plays) == lock_nodes(planned("c", "a"), plays[::-1])


@pytest.mark.root
def test_who_comes_second_is_told_who_was_first(lab_node: LabNode) -> None:
    nodes = {"n1": lab_node.node()}
    with hold(PLACES, nodes, opener, ALICE) as held:
        assert held()
        with pytest.raises(LockHeld, match=r"alice from laptop since .* \(plan aaaaaaaaaaaa\)"):
            get(nodes, BOB)
        seen = observe([lab_node.node()], opener)["n1"]
        assert isinstance(seen, Observation)
        assert seen.recorded.play_lock is not None
        assert (seen.recorded.play_lock.who, seen.recorded.play_lock.alive) == ("alice", True)
    with hold(PLACES, nodes, opener, BOB):
        pass
    assert not lab_node.state.exists()


@pytest.mark.root
@pytest.mark.parametrize("shell", ["dash"], indirect=True)
def test_who_waits_is_told_for_whom_and_gets_it(lab_node: LabNode) -> None:
    nodes = {"n1": lab_node.node()}
    heard: list[str] = []
    with ThreadPoolExecutor() as pool:
        with hold(PLACES, nodes, opener, ALICE):
            claim = replace(BOB, patience=20, on_wait=lambda _node, holder: heard.append(holder))
            waiting = pool.submit(get, nodes, claim)
            while not heard:
                time.sleep(0.05)
        assert waiting.result() is True
    assert len(heard) == 1
    assert heard[0].startswith("alice from laptop")


@pytest.mark.root
@pytest.mark.parametrize("shell", ["dash"], indirect=True)
@pytest.mark.parametrize("boot", ["", "another-boot"])
def test_the_lock_of_a_dead_controller_is_in_nobodys_way(lab_node: LabNode, boot: str) -> None:
    """Its lease has run out, or the node was started anew; the wall clock says nothing."""
    ends = 99_999_999 if boot else 1
    boot = boot or Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    lab_node.state.mkdir(parents=True)
    (lab_node.state / "play.lock").write_text(f"run\tdead\nwho\tcarol\nboot\t{boot}\n")
    (lab_node.state / "play.lease.dead").write_text(f"{ends}\n")
    with hold(PLACES, {"n1": lab_node.node()}, opener, ALICE) as held:
        assert held()
    assert not lab_node.state.exists()


@pytest.mark.root
@pytest.mark.parametrize("shell", ["dash"], indirect=True)
def test_of_many_only_one_holds_it_at_a_time(lab_node: LabNode) -> None:
    nodes = {"n1": lab_node.node()}
    inside, most = [0], [0]
    guard = threading.Lock()

    def once(_number: int) -> None:
        with hold(PLACES, nodes, opener, replace(ALICE, patience=60)):
            with guard:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
            time.sleep(0.02)
            with guard:
                inside[0] -= 1

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(once, range(8)))
    assert most[0] == 1
    assert not lab_node.state.exists()


@pytest.mark.root
@pytest.mark.parametrize("shell", ["dash"], indirect=True)
def test_an_apply_behind_another_touches_nothing_and_a_lost_lock_stops_the_next_batch(
    lab_node: LabNode,
) -> None:
    node = lab_node.node()
    made = propose(workspace(node), {"n1": intent(node, port())}, observe([node], opener))
    reach = Reach(
        nodes={"n1": node}, opener=opener, plays=(play("n1", "n2"),), play_nodes={"n1": node}
    )
    options = ApplyOptions(who="bob", source="desk", run_timeout=60, confirm_timeout=30)
    with hold(PLACES, {"n1": node}, opener, ALICE):
        outcome = apply_under_lock(made, reach, options)["n1"]
    assert outcome.result is Result.LOCKED
    assert "alice from laptop" in outcome.detail
    alone = replace(made, batches=(Batch(nodes=("n1",)),))
    lost = apply(alone, {"n1": node}, opener, options, may_go_on=lambda: False)
    assert lost["n1"].result is Result.SKIPPED
    assert not lab_node.state.exists()
    assert apply_under_lock(made, reach, options)["n1"].result is Result.APPLIED
    assert not list(lab_node.state.glob("play*"))
