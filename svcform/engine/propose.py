"""Propose: intents and observations in, a plan out.  Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from svcform.diagnostics import Diagnostic
from svcform.engine.fleet_facts import with_fleet_facts
from svcform.engine.node_plan import Task, node_problem, plan_node
from svcform.engine.observe import Observation
from svcform.engine.shared import Shared
from svcform.engine.target import Targets
from svcform.errors import NodeError
from svcform.model.node import Node
from svcform.model.workspace import Workspace
from svcform.plan.batches import batches
from svcform.plan.guard import (
    guard_deletions,
    guard_lockout,
    guard_renumbering,
    guard_unreadable,
)
from svcform.plan.plan import NodePlan, Plan
from svcform.policy.intent import Intent
from svcform.policy.narrow import Narrower


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposeOptions:
    """What the command line allows and narrows.

    ``targets`` and ``exclude`` are patterns of Services: ``namespace/name`` with globs, or
    ``label=value``; what is not targeted stays on each node as it is there.  With ``destroy`` every
    node is emptied, or loses the targeted Services.
    """

    targets: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    allow_deletions: bool = False
    allow_lockout: bool = False
    allow_renumber: bool = False
    allow_unreachable: bool = False
    take_over: bool = False
    destroy: bool = False


def propose(
    workspace: Workspace,
    intents: Mapping[str, Intent],
    observations: Mapping[str, Observation | NodeError],
    options: ProposeOptions = ProposeOptions(),
) -> Plan:
    """The plan for all nodes of the workspace that were observed, in the plays' order.

    A node that can't be planned is in it with its problem; guards that speak up are in
    ``refusals``.  Never raises for a node; raises UsageError for a target that nothing matches.
    """
    observations = with_fleet_facts(observations)
    proposal = _Proposal(workspace, options, observations)
    nodes = [
        proposal.node(node, intents[node.name], observations[node.name])
        for node in workspace.nodes
        if node.name in observations
    ]
    rolling = batches(workspace.plays, {node.node for node in nodes})
    place = {name: rank for rank, name in enumerate(n for batch in rolling for n in batch.nodes)}
    nodes.sort(key=lambda node: place.get(node.node, len(place)))
    return Plan(
        project_id=workspace.project_id,
        nodes=tuple(nodes),
        batches=rolling,
        refusals=_refusals(workspace, nodes, options),
    )


class _Proposal:
    """What the nodes of one proposal share."""

    def __init__(
        self,
        workspace: Workspace,
        options: ProposeOptions,
        observations: Mapping[str, Observation | NodeError],
    ) -> None:
        targets = Targets(
            include=options.targets, exclude=options.exclude, services=workspace.services
        )
        targets.check({*map(str, workspace.services), *_recorded_names(observations)})
        self._narrower = None
        self._is_targeted = None if targets.is_everything else targets.has
        if not targets.is_everything:
            self._narrower = Narrower(targets.has, destroy=options.destroy)
        self._workspace = workspace
        self._options = options
        self._shared = Shared()

    def node(self, node: Node, intent: Intent, observation: Observation | NodeError) -> NodePlan:
        if isinstance(observation, NodeError):
            return node_problem(node, observation)
        if node.absent or (self._options.destroy and not self._narrower):
            intent = replace(intent, wanted=False)
        try:
            if self._narrower:
                intent = self._narrower.narrow(intent, observation.recorded.services)
        except NodeError as error:
            return node_problem(node, error)
        task = Task(
            node=node,
            intent=intent,
            observation=observation,
            project_id=self._workspace.project_id,
            take_over=self._options.take_over,
            is_targeted=self._is_targeted,
            destroys=self._options.destroy,
        )
        return plan_node(task, self._shared)


def _recorded_names(observations: Mapping[str, Observation | NodeError]) -> set[str]:
    return {
        row.service
        for seen in observations.values()
        if isinstance(seen, Observation)
        for row in seen.recorded.services
    }


def _refusals(
    workspace: Workspace, nodes: Sequence[NodePlan], options: ProposeOptions
) -> tuple[Diagnostic, ...]:
    return (
        *(() if options.allow_deletions else guard_deletions(nodes)),
        *(() if options.allow_lockout else guard_lockout(nodes)),
        *(() if options.allow_renumber else guard_renumbering(nodes)),
        *(() if options.allow_unreachable else guard_unreadable(workspace.plays, nodes)),
    )
