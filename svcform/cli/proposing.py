"""From the command line to a plan: read, decide, observe, propose."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass

from svcform.cli.console import Console
from svcform.cli.opening import opener
from svcform.cli.reading import by_name, complete_lock, load_project, workspace_of
from svcform.diagnostics import Diagnostic
from svcform.engine.observe import Opener, observe
from svcform.engine.propose import ProposeOptions, propose
from svcform.model.node import Node
from svcform.plan.plan import Plan
from svcform.plan.planfile import digest
from svcform.policy.decide import decide
from svcform.views.plan_json import plan_json
from svcform.views.plan_text import plan_text
from svcform.views.progress import NodeProgress


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A fresh plan, and what is needed to carry it out."""

    plan: Plan
    digest: str
    nodes: Mapping[str, Node]
    opener: Opener
    diagnostics: tuple[Diagnostic, ...]


def make_plan(arguments: Namespace, out: Console, *, destroy: bool = False) -> Proposal:
    """Plan all nodes that the command line leaves; completes the lock file.

    Raises InputError where the input has errors; a node's trouble is in the plan.
    """
    loaded = load_project(arguments)
    workspace = workspace_of(loaded, out)
    complete_lock(loaded, out)
    open_node = opener(loaded.lock_path.parent)
    with NodeProgress(out.stderr, "Reading", len(workspace.nodes)) as progress:
        observations = observe(workspace.nodes, open_node, forks=arguments.forks, progress=progress)
    plan = propose(workspace, decide(workspace), observations, options(arguments, destroy=destroy))
    return Proposal(
        plan=plan,
        digest=digest(plan),
        nodes=by_name(workspace.nodes),
        opener=open_node,
        diagnostics=loaded.diagnostics,
    )


def options(arguments: Namespace, *, destroy: bool) -> ProposeOptions:
    """What the command line allows and narrows."""
    return ProposeOptions(
        targets=tuple(arguments.target),
        exclude=tuple(arguments.exclude),
        allow_deletions=arguments.allow_deletions,
        allow_renumber=arguments.allow_renumber,
        allow_unreachable=arguments.allow_unreachable,
        take_over=arguments.take_over,
        destroy=destroy,
    )


def show_plan(proposal: Proposal, out: Console, *, rules: bool, exit_code: int = 0) -> None:
    """Write the plan to stdout."""
    if out.json:
        text = plan_json(proposal.plan, proposal.digest, proposal.diagnostics, exit_code=exit_code)
    else:
        text = plan_text(proposal.plan, proposal.digest, out.out, rules=rules)
    out.result(text)
