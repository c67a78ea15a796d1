"""Nodes of a plan in classes: what is the same on a thousand nodes is shown once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from svcform.plan.plan import Plan, Problem
from svcform.views.meaning import Item, other_items, service_items
from svcform.views.rules import rule_lines


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeClass:
    """Nodes with the same changes; ``rules`` only where they were asked for."""

    nodes: tuple[str, ...]
    absent: bool
    items: tuple[Item, ...]
    rules: tuple[str, ...] = ()


class _Likeness(NamedTuple):
    """What tells nodes apart, with the table of their Services by identity."""

    absent: bool
    table: int
    others: tuple[Item, ...]
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """How much a plan does: a Service's port that comes on a thousand nodes counts once."""

    add: int
    change: int
    remove: int
    nodes: int
    unplanned: int


def classes(plan: Plan, *, rules: bool = False) -> tuple[NodeClass, ...]:
    """The nodes that have something to do, the largest class first."""
    # Nodes share their tables of Services: items are made, and compared, once for each table.
    tables: dict[int, tuple[Item, ...]] = {}
    alike: dict[_Likeness, list[str]] = {}
    for node in plan.nodes:
        if node.problem is not None or node.is_empty:
            continue
        table = id(node.service_changes)
        if table not in tables:
            tables[table] = service_items(node.service_changes)
        lines = rule_lines(node.changes) if rules else ()
        key = _Likeness(node.absent, table, other_items(node), lines)
        alike.setdefault(key, []).append(node.node)
    found: dict[tuple[bool, tuple[Item, ...], tuple[str, ...]], list[str]] = {}
    for key, names in alike.items():
        whole = tuple(sorted((*tables[key.table], *key.others)))
        found.setdefault((key.absent, whole, key.rules), []).extend(names)
    listed = [
        NodeClass(nodes=tuple(names), absent=key[0], items=key[1], rules=key[2])
        for key, names in found.items()
    ]
    return tuple(sorted(listed, key=lambda c: (-len(c.nodes), c.nodes)))


def problems(plan: Plan) -> tuple[tuple[Problem, tuple[str, ...]], ...]:
    """Nodes without a plan, those with the same problem together."""
    found: dict[Problem, list[str]] = {}
    for node in plan.nodes:
        if node.problem is not None:
            found.setdefault(node.problem, []).append(node.node)
    return tuple((problem, tuple(names)) for problem, names in found.items())


def summary(plan: Plan, listed: Iterable[NodeClass] | None = None) -> Summary:
    """The numbers of the count line."""
    node_classes = classes(plan) if listed is None else tuple(listed)
    actions: dict[tuple[int, tuple[str, ...]], str] = {}
    for node_class in node_classes:
        for item in node_class.items:
            identity = (item.rank, item.key[:2] if item.rank == 1 else item.key)
            same = actions.get(identity, item.action) == item.action
            actions[identity] = item.action if same else "~"
    counts = list(actions.values())
    return Summary(
        add=counts.count("+"),
        change=counts.count("~"),
        remove=counts.count("-"),
        nodes=sum(len(c.nodes) for c in node_classes),
        unplanned=sum(node.problem is not None for node in plan.nodes),
    )
