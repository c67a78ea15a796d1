"""Small plans to look at."""

from __future__ import annotations

from dataclasses import dataclass

from svcform.plan.diff import Change
from svcform.plan.plan import NodePlan, Plan, Problem
from svcform.plan.services import ServiceChange, ServiceRow
from svcform.plan.snapshot import ObjectAddress


@dataclass(frozen=True)
class Rules:
    """An object that is its lines."""

    text: tuple[str, ...]

    def lines(self):
        return self.text


def row(name="default/web:http", endpoints=("10.244.1.5:80",), **options):
    frontends = options.pop("frontends", ("ClusterIP 10.96.0.17:80",))
    return ServiceRow(name, "TCP", options.pop("family", "IPv4"), frontends, endpoints, **options)


def change(name, before, after, backend="iptables"):
    return Change(
        ObjectAddress(backend, tuple(name.split())),
        Rules(before) if before else None,
        Rules(after) if after else None,
    )


def node(name, *service_changes, **options):
    return NodePlan(
        node=name, service_changes=tuple(ServiceChange(a, b) for a, b in service_changes), **options
    )


def plan(*nodes, **options):
    return Plan(project_id="0123", nodes=nodes, **options)


def problem(name, reason="unreachable"):
    text = f"{name} does not answer."
    return NodePlan(node=name, problem=Problem(reason=reason, message=text, remedy="Start it."))
