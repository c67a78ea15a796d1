from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

import pytest

from svcform.engine import fleet
from svcform.errors import Interrupted, NodeError, PlanFileError, Unreachable
from svcform.model.node import Connection, Node
from svcform.model.settings import Settings

NODES = [
    Node(name=f"edge-{i}", connection=Connection(host="h"), settings=Settings(), plays=(0,))
    for i in range(20)
]


def test_every_node_has_its_outcome_in_the_nodes_order() -> None:
    def work(node: Node) -> str:
        time.sleep(0.01 * (int(node.name[5:]) % 3))
        return node.name.upper()

    outcomes = fleet.run(NODES, work, forks=7)
    assert list(outcomes.items()) == [(n.name, n.name.upper()) for n in NODES]


def test_a_failure_hides_no_other() -> None:
    def work(node: Node) -> int:
        number = int(node.name[5:])
        if number % 3 == 0:
            raise Unreachable(f"{node.name} is down.")
        if number % 3 == 1:
            raise ZeroDivisionError("division")
        return number

    outcomes = fleet.run(NODES, work)
    assert isinstance(outcomes["edge-0"], Unreachable)
    assert outcomes["edge-2"] == 2
    defect = outcomes["edge-1"]
    assert isinstance(defect, NodeError)
    assert "ZeroDivisionError: division" in str(defect)
    assert "-vv" in defect.remedy


def test_a_defect_can_be_found_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    def work(node: Node) -> int:
        return {}[node.name]

    with caplog.at_level(logging.DEBUG):
        fleet.run(NODES[:1], work)
    assert "Traceback" in caplog.text
    assert "test_fleet.py" in caplog.text


def test_another_error_of_ours_keeps_its_words() -> None:
    def work(node: Node) -> int:
        raise PlanFileError("The plan file is torn.")

    assert str(fleet.run(NODES[:1], work)["edge-0"]) == "The plan file is torn."


def test_no_more_than_forks_at_a_time() -> None:
    lock, now, most = threading.Lock(), 0, 0
    gate = threading.Barrier(4)

    def work(node: Node) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        gate.wait(60)
        time.sleep(0.01)
        with lock:
            now -= 1

    fleet.run(NODES, work, forks=4)
    assert most == 4


def test_progress_comes_in_the_calling_thread() -> None:
    seen = []
    fleet.run(
        NODES, lambda node: node.name, on_done=lambda _, o: seen.append((o, threading.get_ident()))
    )
    assert sorted(name for name, _ in seen) == sorted(n.name for n in NODES)
    assert {thread for _, thread in seen} == {threading.get_ident()}


def test_no_nodes_are_no_work() -> None:
    assert fleet.run([], lambda node: node.name) == {}


@pytest.mark.parametrize("moment", [0.0, 0.1])
def test_the_first_interrupt_starts_no_more_and_waits(moment: float) -> None:
    """Also one that comes while threads are started, or just when a queue gives something."""
    started, heard = threading.Semaphore(0), threading.Event()

    def work(node: Node) -> str:
        started.release()
        heard.wait(60)
        return "done"

    def interrupt() -> None:
        started.acquire()
        started.acquire()
        time.sleep(moment)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    told: list[Sequence[str]] = []

    def hear(names: Sequence[str]) -> None:
        told.append(names)
        heard.set()

    outcomes = fleet.run(NODES, work, forks=2, on_interrupt=hear)
    assert len(told) == 1
    assert moment == 0 or told == [["edge-0", "edge-1"]]
    assert [outcomes["edge-0"], outcomes["edge-1"]] == ["done", "done"]
    assert all(isinstance(outcomes[n.name], Interrupted) for n in NODES[2:])


def test_the_second_interrupt_leaves() -> None:
    script = (
        "import sys, time\n"
        "from svcform.engine import fleet\n"
        "from tests.unit.engine.test_fleet import NODES\n"
        "def work(node):\n"
        "    print('started', flush=True)\n"
        "    time.sleep(60)\n"
        "try:\n"
        "    fleet.run(NODES[:1], work, on_interrupt=lambda _: print('interrupted', flush=True))\n"
        "except KeyboardInterrupt:\n"
        "    sys.exit(130)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout as stdout:
        for said in (b"started\n", b"interrupted\n"):
            assert stdout.readline() == said
            time.sleep(0.3)
            process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
