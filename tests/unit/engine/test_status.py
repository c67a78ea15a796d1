"""How a node stands: in step, behind, drifted, never, changing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from svcform.engine.drift import left
from svcform.engine.exit_code import ExitCode, of_status
from svcform.engine.observe import Observation, understand
from svcform.engine.recorded import Recorded
from svcform.engine.status import status
from svcform.plan.diff import Change
from svcform.plan.plan import NodePlan, Plan, Problem
from svcform.plan.receipt import LockHolder, Receipt
from svcform.plan.snapshot import ObjectAddress, RecordedObject
from svcform.transport.contract import Binding
from tests.unit.engine.test_reading_file import SECTIONS

CHANGE = Change(ObjectAddress("host", ("x",)), None, RecordedObject(("on",)))


def receipt(number: int, before: str, after: str, outcome: str = "applied") -> Receipt:
    return Receipt(number=number, before=before, after=after, outcome=outcome)


def observation(*receipts: Receipt, lock: LockHolder | None = None) -> Observation:
    seen = understand(SECTIONS, Binding(address="", port=0))
    project = "0123" if receipts else ""
    recorded = Recorded(project_id=project, receipts=receipts, lock=lock)
    return replace(seen, recorded=recorded)


def words(plan: NodePlan, seen: Observation) -> tuple[tuple[str, ...], ExitCode]:
    whole = Plan(project_id="0123", nodes=(plan,))
    found = status(whole, {"n1": seen})
    return found[0].words, of_status(whole, found)


def planned(before: str, after: str) -> NodePlan:
    changes = () if before == after else (CHANGE,)
    return NodePlan(node="n1", changes=changes, before=before, after=after)


@pytest.mark.parametrize(
    ("live", "wanted", "expected"),
    [
        ("A", "A", ("in step",)),
        ("A", "B", ("behind",)),
        ("X", "A", ("drifted",)),
        ("X", "B", ("behind", "drifted")),
        ("B", "B", ("in step",)),
    ],
)
def test_live_and_wanted_are_compared_with_what_was_left(
    live: str, wanted: str, expected: tuple[str, ...]
) -> None:
    found, code = words(planned(live, wanted), observation(receipt(1, "", "A")))
    assert found == expected
    assert code == (ExitCode.OK if expected == ("in step",) else ExitCode.CHANGES)


def test_a_node_without_a_receipt_was_never_applied() -> None:
    assert words(planned("", "A"), observation()) == (("never applied",), ExitCode.CHANGES)


def test_a_node_that_should_have_nothing_and_has_nothing_is_in_step() -> None:
    assert words(planned("", ""), observation()) == (("in step",), ExitCode.OK)


@pytest.mark.parametrize("live", ["A", "B"])
def test_a_run_on_its_way_is_not_taken_for_drift(live: str) -> None:
    lock = LockHolder(who="bob", alive=True, phase="awaiting")
    seen = observation(receipt(1, "", "A"), lock=lock)
    assert words(planned(live, "A"), seen) == (("changing",), ExitCode.CHANGES)
    dead = observation(receipt(1, "", "A"), lock=replace(lock, alive=False))
    assert words(planned(live, "A"), dead)[0] != ("changing",)


def test_an_unreadable_node_is_code_4_whatever_the_others_are() -> None:
    problem = Problem(reason="unreachable", message="no answer")
    whole = Plan(project_id="x", nodes=(NodePlan(node="n1", problem=problem), planned("A", "B")))
    assert of_status(whole, status(whole, {})) is ExitCode.UNREADABLE


@pytest.mark.parametrize(
    ("receipts", "expected"),
    [
        ((), None),
        ((receipt(1, "", "A"),), "A"),
        ((receipt(1, "", "A"), receipt(2, "A", "B", "rolled-back")), "A"),
        ((receipt(1, "", "A"), receipt(2, "A", "B", "failed-changed")), None),
        ((receipt(1, "", "A"), receipt(2, "A", "B"), receipt(3, "", "A", "restored")), "A"),
        ((receipt(1, "", "A"), receipt(2, "", "", "restored")), None),
        # a repair of drift, and a plan that was made before the last apply
        ((receipt(1, "", "A"), receipt(2, "X", "A")), "A"),
        ((receipt(1, "", "A"), receipt(2, "A", "AB"), receipt(3, "A", "AC")), None),
        # a reboot took everything
        ((receipt(1, "", "A"), receipt(2, "", "A")), "A"),
    ],
)
def test_what_the_last_apply_left(receipts: tuple[Receipt, ...], expected: str | None) -> None:
    assert left(receipts) == expected
