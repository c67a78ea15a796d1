"""Guards speak up about Services, and only when it matters."""

from __future__ import annotations

import pytest

from svcform.model.node import Play
from svcform.plan.guard import guard_deletions, guard_renumbering, guard_unreadable
from svcform.plan.plan import NodePlan, Problem
from svcform.plan.services import ServiceChange, ServiceRow


def row(n: int, *endpoints: str, address: str = "") -> ServiceRow:
    address = address or f"10.96.0.{n}"
    return ServiceRow(f"shop/s{n}", "TCP", "IPv4", (f"ClusterIP {address}:80",), endpoints)


def losing(total: int, lost: int, *, absent: bool = False) -> NodePlan:
    rows = [row(n) for n in range(total)]
    return NodePlan(
        node="edge-1",
        services=tuple(rows[lost:]),
        service_changes=tuple(ServiceChange(gone, None) for gone in rows[:lost]),
        absent=absent,
    )


@pytest.mark.parametrize(
    ("total", "lost", "refused"),
    [(9, 9, False), (10, 3, False), (10, 4, True), (100, 30, False), (100, 31, True)],
)
def test_more_than_thirty_percent_of_ten_services(total: int, lost: int, refused: bool) -> None:
    found = guard_deletions([losing(total, lost)])
    assert bool(found) is refused
    if refused:
        assert f"{lost} of its {total} Services" in found[0].detail


def test_an_emptied_node_loses_everything_on_purpose() -> None:
    assert guard_deletions([losing(50, 50, absent=True)]) == ()


def test_lost_endpoints_count_too() -> None:
    before, after = row(1, *(f"10.0.0.{n}:80" for n in range(10))), row(1, "10.0.0.0:80")
    node = NodePlan(
        node="edge-1", services=(after,), service_changes=(ServiceChange(before, after),)
    )
    assert "9 of its 10 endpoints" in guard_deletions([node])[0].detail


def test_new_services_do_not_count_as_those_of_before() -> None:
    rows = tuple(row(n) for n in range(20))
    node = NodePlan(
        node="edge-1", services=rows, service_changes=tuple(ServiceChange(None, r) for r in rows)
    )
    assert guard_deletions([node]) == ()


def test_a_live_address_that_changes_is_refused_once() -> None:
    change = ServiceChange(row(1), row(1, address="10.96.9.9"))
    nodes = [NodePlan(node=name, service_changes=(change,)) for name in ("a", "b")]
    (found,) = guard_renumbering(nodes)
    assert "ClusterIP 10.96.0.1:80 to ClusterIP 10.96.9.9:80" in found.detail


def test_most_nodes_unreadable() -> None:
    play = Play(name="edge", nodes=("a", "b", "c"))
    problem = Problem(reason="unreachable", message="It is so.")
    down = [NodePlan(node=name, problem=problem) for name in ("a", "b")]
    up = NodePlan(node="c")
    assert guard_unreadable((play,), [*down, up])
    assert not guard_unreadable((play,), [down[0], NodePlan(node="b"), up])
