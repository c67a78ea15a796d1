"""Guards speak up about Services, and only when it matters."""

from __future__ import annotations

from dataclasses import replace

import pytest

from svcform.model.node import Play
from svcform.plan.guard import (
    guard_deletions,
    guard_lockout,
    guard_renumbering,
    guard_unreadable,
)
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


def test_endpoints_that_are_replaced_are_not_lost() -> None:
    before, after = (row(1, *(f"10.0.{m}.{n}:80" for n in range(12))) for m in range(2))
    change = ServiceChange(before, after)
    assert guard_deletions([NodePlan(node="a", services=(after,), service_changes=(change,))]) == ()


def test_an_endpoint_counts_once_however_many_ports_it_has() -> None:
    def rows(count: int) -> tuple[ServiceRow, ...]:
        ends = [f"10.0.0.{n}" for n in range(count)]
        return tuple(
            ServiceRow(f"shop/web:p{port}", "TCP", "IPv4", (), tuple(f"{e}:{port}" for e in ends))
            for port in (80, 81, 82)
        )

    def change(was: int, now: int) -> NodePlan:
        pairs = zip(rows(was), rows(now), strict=True)
        changes = tuple(ServiceChange(before, after) for before, after in pairs)
        return NodePlan(node="a", services=rows(now), service_changes=changes)

    assert guard_deletions([change(5, 1)]) == ()
    assert "6 of its 10 endpoints" in guard_deletions([change(10, 4)])[0].detail


def test_a_service_that_loses_a_port_is_not_lost() -> None:
    kept = [ServiceRow(f"shop/s{n}:http", "TCP", "IPv4", (), ()) for n in range(12)]
    gone = [ServiceRow(f"shop/s{n}:https", "TCP", "IPv4", (), ()) for n in range(12)]
    changes = tuple(ServiceChange(each, None) for each in gone)
    node = NodePlan(node="a", services=tuple(kept), service_changes=changes)
    assert guard_deletions([node]) == ()


def test_all_nodes_that_lose_are_counted() -> None:
    (found,) = guard_deletions([losing(10, 4), replace(losing(10, 4), node="edge-2")])
    assert "and 1 other node loses as much" in found.detail


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
    assert "ClusterIP 10.96.0.1 to ClusterIP 10.96.9.9," in found.detail


def frontends(*texts: str, name: str = "shop/web:http") -> ServiceRow:
    return ServiceRow(name, "TCP", "IPv4", texts, ())


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (("NodePort :30080",), ("NodePort :30081",), "NodePort :30080 to NodePort :30081"),
        (("LoadBalancer 192.0.2.1:80",), ("LoadBalancer 192.0.2.2:80",), "LoadBalancer 192.0.2.1"),
        (("ClusterIP 10.96.0.1:80",), ("ClusterIP 10.96.0.1:81",), ""),
        (("ClusterIP 10.96.0.1:80",), (), ""),
        ((), ("ClusterIP 10.96.0.1:80",), ""),
        (("NodePort :30080", "NodePort :30081"), ("NodePort :30080",), ""),
        (("ExternalIP 192.0.2.1:80",), ("ExternalIP 192.0.2.2:80",), ""),
    ],
)
def test_what_was_allocated_and_lives_is_not_to_change(
    before: tuple[str, ...], after: tuple[str, ...], said: str
) -> None:
    change = ServiceChange(frontends(*before), frontends(*after))
    found = guard_renumbering([NodePlan(node="a", service_changes=(change,))])
    assert [said in each.detail for each in found] == ([True] if said else [])


def test_a_new_name_for_a_port_hides_no_new_address() -> None:
    changes = (
        ServiceChange(frontends("ClusterIP 10.96.0.1:80"), None),
        ServiceChange(None, frontends("ClusterIP 10.96.0.2:80", name="shop/web:www")),
    )
    assert len(guard_renumbering([NodePlan(node="a", service_changes=changes)])) == 1


def test_a_node_that_changes_nothing_cuts_nothing() -> None:
    cut = ("sshd would be cut",)
    change = ServiceChange(None, frontends("NodePort :22"))
    idle = NodePlan(node="a", cuts=cut)
    busy = NodePlan(node="b", cuts=cut, service_changes=(change,))
    assert guard_lockout([idle]) == ()
    (found,) = guard_lockout([idle, busy, replace(busy, node="c")])
    assert found.detail.startswith("On b sshd would be cut. So it is on 1 other node.")


def test_most_nodes_unreadable() -> None:
    play = Play(name="edge", nodes=("a", "b", "c"))
    problem = Problem(reason="unreachable", message="It is so.")
    down = [NodePlan(node=name, problem=problem) for name in ("a", "b")]
    up = NodePlan(node="c")
    assert guard_unreadable((play,), [*down, up])
    assert not guard_unreadable((play,), [down[0], NodePlan(node="b"), up])
