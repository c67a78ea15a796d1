"""Two controllers at once: on a node one after the other, or not at all; and a play's lost lock."""

from __future__ import annotations

import re
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from svcform.cli.opening import opener
from svcform.engine import play_lock
from svcform.engine.apply import ApplyOptions, Reach, apply, apply_under_lock
from svcform.engine.exit_code import ExitCode, of_apply
from svcform.engine.outcome import Result
from svcform.lab.spec import CLIENT_KEY
from svcform.model.node import Connection, Play
from svcform.model.node import Node as Reached
from svcform.model.settings import Settings
from svcform.plan import planfile
from svcform.plan.plan import Batch
from tests.faults.node import STATE, Case, Stop, wait_until

pytestmark = pytest.mark.root

ROUNDS = 100
OPTIONS = ApplyOptions(run_timeout=60, confirm_timeout=30)
SAID = re.compile(r"svcform: (start|end) run=([0-9a-f]+) .*?(?:who=(\w+)|outcome=([\w-]+))")


def reached(node):
    """The node as the inventory has it."""
    connection = Connection(
        host="127.0.0.1",
        port=node.lab.state["nodes"][node.name]["port"],
        user="ops",
        private_key_file=str(node.lab.directory / CLIENT_KEY),
        become=True,
        timeout=30,
    )
    settings = Settings(service_cidrs=("10.96.0.0/16", "fd00:96::/112"), node_name=node.name)
    return Reached(name=node.name, connection=connection, settings=settings, plays=(0,))


@pytest.fixture
def plan(nodes):
    return planfile.read((nodes.project.folder / "change.plan").read_bytes())


def apply_as(who, nodes, plan, node, **options):
    """The outcome of somebody's apply to one node."""
    options = replace(OPTIONS, who=who, source="desk", **options)
    return apply(plan, {node.name: reached(node)}, opener(nodes.project.folder), options)[node.name]


def meet(nodes, plan, node, patience):
    """Alice and Bob apply to one node at once: their outcomes, and who waited for whom."""
    node.reset()
    (node.root / "var/log/syslog").write_text("")
    heard, start = [], threading.Barrier(2)

    def one(who):
        def wait(_node, holder):
            heard.append((who, holder))

        start.wait()
        return apply_as(who, nodes, plan, node, lock_timeout=patience, on_wait=wait)

    with ThreadPoolExecutor(2) as pool:
        outcomes = dict(zip(("alice", "bob"), pool.map(one, ("alice", "bob")), strict=True))
    return outcomes, heard


def one_after_the_other(node):
    """Whether each run that began on the node ended before the next began, by the node's log."""
    said = [match.groups() for match in map(SAID.search, node.syslog().splitlines()) if match]
    pairs = [said[i : i + 2] for i in range(0, len(said), 2)]
    return bool(pairs) and all(
        len(pair) == 2 and (pair[0][0], pair[1][0]) == ("start", "end") and pair[0][1] == pair[1][1]
        for pair in pairs
    )


@pytest.mark.parametrize("part", range(2))
def test_two_controllers_never_interleave_on_a_node(nodes, plan, part):
    """Again and again one applies, and the other waits, or is told who is in the way."""

    def once(number):
        node = nodes.free.get()
        try:
            patience = 60 if number % 2 else 0
            outcomes, heard = meet(nodes, plan, node, patience)
            # The last line is written when everybody has been told already.
            assert wait_until(lambda: not node.processes(), 90)
            return patience, outcomes, heard, one_after_the_other(node), node.state(), node.litter()
        finally:
            nodes.free.put(node)

    with ThreadPoolExecutor(4) as pool:
        rounds = list(pool.map(once, range(ROUNDS // 2)))

    told = waited = 0
    for patience, outcomes, heard, ordered, state, litter in rounds:
        results = sorted(outcome.result.value for outcome in outcomes.values())
        assert (ordered, state, litter) == (True, "new", []), results
        winners = [w for w, o in outcomes.items() if o.result is Result.APPLIED]
        assert len(winners) == 1, outcomes
        (winner,) = winners
        (loser,) = outcomes.keys() - {winner}
        second = outcomes[loser]
        if second.result is Result.LOCKED:
            assert not patience
            assert second.detail.startswith(f"{winner} from desk since ")
            assert of_apply({"n": second}) is ExitCode.LOCKED
            told += 1
        else:
            assert second.result in {Result.ALREADY_APPLIED, Result.STALE}
        for who, holder in heard:
            assert (who, holder.partition(" ")[0]) == (loser, winner)
            waited += 1
    assert told
    assert waited


ENDING = "until [ -d {place}/slow ]; do sleep 0.02; done"
TIDYING = (
    '/bin/mkdir {place}/slow; until [ -e "${1%phase}outcome" ]; do sleep 0.02; done; sleep 0.5'
)


@pytest.mark.parametrize("moment", ["before", "while"])
def test_who_is_refused_hears_it_though_the_other_one_tidies_up(nodes, plan, node, moment):
    """Alice's run has the lock, and looks for unfinished ones as Bob's ends."""
    node.stop_at(Stop(tool="ln", pattern="*/lock*", after=True))
    node.wrap(Case("mv", "*/outcome.new\\ *", ENDING, mark="ending"))
    if moment == "while":
        node.wrap(Case("cat", "*/phase\\ *", TIDYING, mark="tidying"))
    with ThreadPoolExecutor(2) as pool:
        alice = pool.submit(apply_as, "alice", nodes, plan, node)
        assert wait_until(node.reached, 60)
        known = set(node.processes().values())
        bob = pool.submit(apply_as, "bob", nodes, plan, node)
        assert wait_until((node.root / "run/break/ending").exists, 60)
        # Who is to tell Bob is slow.
        assert node.hold(lambda words: "runner begin" in words and words not in known)
        if moment == "before":
            (node.root / "run/break/slow").mkdir()
            assert wait_until(lambda: list(node.root.glob(f"{STATE[1:]}/runs/*/outcome")), 60)
        node.release()
        first = alice.result()
        for pid in node.processes():
            node.signal(pid, signal.SIGCONT)
        second = bob.result()

    assert (first.result, second.result) == (Result.APPLIED, Result.LOCKED), (first, second)
    assert second.detail.startswith("alice from desk since ")
    assert node.await_quiet() == {}
    assert (node.state(), node.litter()) == ("new", [])


#: Seconds; renewing takes some of them where the machine is busy.
LEASE = 20


@pytest.fixture
def short_lease(monkeypatch):
    monkeypatch.setattr(play_lock, "LEASE", LEASE)
    monkeypatch.setattr(play_lock, "_RENEW", 1.0)


def roll_out(nodes, plan, three):
    """A play of three nodes, of which the second and the third are applied, in this order."""
    first, *others = (node.name for node in three)
    places = {node.name: reached(node) for node in three}
    work = replace(
        plan,
        nodes=tuple(n for n in plan.nodes if n.node in places),
        batches=tuple(Batch(nodes=(name,)) for name in others),
    )
    reach = Reach(
        nodes={name: places[name] for name in others},
        opener=opener(nodes.project.folder),
        plays=(Play(name="edge", nodes=(first, *others)),),
        play_nodes=places,
    )
    return apply_under_lock(work, reach, replace(OPTIONS, who="alice", source="desk"))


@pytest.fixture
def node(nodes):
    taken = nodes.free.get()
    taken.reset()
    yield taken
    taken.kill_all()
    nodes.free.put(taken)


@pytest.fixture
def three(nodes):
    taken = sorted((nodes.free.get() for _ in range(3)), key=lambda node: node.name)
    for node in taken:
        node.reset()
    yield taken
    for node in taken:
        node.lab.mend(node.name)
        node.release()
        nodes.free.put(node)


HOLD = Stop(tool="sh", pattern="*step.0000.command*")


def test_a_lease_that_is_renewed_lasts_longer_than_itself(nodes, plan, three, short_lease):
    lock_node, held, last = three
    held.stop_at(HOLD)
    with ThreadPoolExecutor() as pool:
        rolling = pool.submit(roll_out, nodes, plan, three)
        assert wait_until(held.reached, 60)
        time.sleep(LEASE + 4)
        assert "alice" in lock_node.sh("cat /var/lib/svcform/play.lock")
        held.release()
        outcomes = rolling.result()

    assert {o.result for o in outcomes.values()} == {Result.APPLIED}
    assert last.state() == "new"
    assert lock_node.litter() == []


def test_no_batch_starts_after_the_lease_was_lost_behind_a_cut_link(
    nodes, plan, three, short_lease
):
    lock_node, held, last = three
    held.stop_at(HOLD)
    with ThreadPoolExecutor() as pool:
        rolling = pool.submit(roll_out, nodes, plan, three)
        assert wait_until(held.reached, 60)
        lock_node.lab.cut(lock_node.name)
        time.sleep(LEASE + 4)
        held.release()
        outcomes = rolling.result()

    assert outcomes[held.name].result is Result.APPLIED
    assert outcomes[last.name].result is Result.SKIPPED
    assert "lock was lost" in outcomes[last.name].detail
    assert of_apply(outcomes) is ExitCode.PARTIAL
    assert (held.state(), last.state()) == ("new", "old")
