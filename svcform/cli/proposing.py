"""From the command line to a plan: read, decide, observe, propose."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from svcform.cli.console import Console
from svcform.cli.files import parsed
from svcform.cli.opening import opener
from svcform.cli.reading import by_name, complete_lock, load_project, workspace_of
from svcform.diagnostics import Diagnostic
from svcform.engine import observe, reading_file
from svcform.engine.fleet import Underway
from svcform.engine.observe import Observation, Opener
from svcform.engine.propose import ProposeOptions, propose
from svcform.errors import NodeError, UsageError
from svcform.inputs.project import ProjectInputs
from svcform.model.node import Node, Play
from svcform.plan.plan import Plan
from svcform.plan.planfile import digest
from svcform.policy.decide import decide
from svcform.views.plan_json import plan_json
from svcform.views.plan_text import plan_text
from svcform.views.progress import NodeProgress
from svcform.views.text import clean, shorten

#: What a look at the nodes may show, which is everything.
LOOK_ONLY = ProposeOptions(
    allow_deletions=True, allow_lockout=True, allow_renumber=True, allow_unreachable=True
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A plan, and what is needed to carry it out.

    ``observations`` are what a fresh plan was made from; ``plays`` and ``play_nodes`` are the
    project's, whatever ``--limit`` says.
    """

    plan: Plan
    digest: str
    nodes: Mapping[str, Node]
    opener: Opener
    lock_path: Path
    plays: tuple[Play, ...]
    play_nodes: Mapping[str, Node]
    diagnostics: tuple[Diagnostic, ...] = ()
    observations: Mapping[str, Observation | NodeError] = field(default_factory=dict, repr=False)


def make_plan(
    arguments: Namespace, out: Console, *, destroy: bool = False, look_only: bool = False
) -> Proposal:
    """Plan all nodes that the command line leaves; completes the lock file.

    With ``look_only`` the lock file is left as it is, and guards are not asked.
    Raises InputError where the input has errors; a node's trouble is in the plan.
    """
    look = _Look(arguments)
    loaded = load_project(arguments, look.begin)
    workspace = workspace_of(loaded, out)
    if not look_only:
        complete_lock(loaded, out)
    intents = decide(workspace)
    observations = look.finish(workspace.nodes, out)
    wishes = LOOK_ONLY if look_only else options(arguments, destroy=destroy)
    plan = propose(workspace, intents, observations, wishes)
    return Proposal(
        plan=plan,
        digest=digest(plan),
        nodes=by_name(workspace.nodes),
        opener=opener(loaded.lock_path.parent),
        lock_path=loaded.lock_path,
        plays=workspace.plays,
        play_nodes=by_name(loaded.play_nodes),
        diagnostics=loaded.diagnostics,
        observations=observations,
    )


class _Look:
    """What the nodes are: as they answer now, or as the reading of ``--from`` has it.

    Nodes are asked while manifests are still being read: a listing of 10,000 Services takes a
    node a second.
    """

    def __init__(self, arguments: Namespace) -> None:
        self._file: Path | None = getattr(arguments, "from_reading", None)
        self._forks: int = arguments.forks
        self._underway: Underway[Observation] | None = None

    def begin(self, project: ProjectInputs) -> None:
        if self._file is None:
            self._underway = observe.begin(
                project.nodes, opener(project.inventory_dir), forks=self._forks
            )

    def finish(self, nodes: Sequence[Node], out: Console) -> Mapping[str, Observation | NodeError]:
        if self._file is not None:
            return _saved_reading(self._file, nodes, out)
        if self._underway is None:
            message = "nodes are asked as soon as the project is read"
            raise RuntimeError(message)
        with NodeProgress(out.stderr, "Reading", len(nodes)) as progress:
            return observe.finish(self._underway, progress)


def _saved_reading(
    file: Path, nodes: Sequence[Node], out: Console
) -> Mapping[str, Observation | NodeError]:
    saved = parsed(file, reading_file.read)
    missing = [node.name for node in nodes if node.name not in saved.nodes]
    if missing:
        raise UsageError(
            f"{file} has no reading of {shorten(missing)}: observe again, or leave nodes out with "
            "--limit."
        )
    out.say(f"Planning from the reading of {clean(saved.when)}; no node is asked.")
    return {node.name: saved.nodes[node.name] for node in nodes}


def options(arguments: Namespace, *, destroy: bool) -> ProposeOptions:
    """What the command line allows and narrows."""
    return ProposeOptions(
        targets=tuple(arguments.target),
        exclude=tuple(arguments.exclude),
        allow_deletions=arguments.allow_deletions,
        allow_lockout=arguments.allow_lockout,
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
