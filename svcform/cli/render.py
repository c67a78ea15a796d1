"""``svcform render --out DIR``: each node's whole program, with no node needed."""

from __future__ import annotations

import shlex
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path

from svcform.cli import parser as flags
from svcform.cli.console import Console, console
from svcform.cli.files import replace
from svcform.cli.reading import complete_lock, load_project, workspace_of
from svcform.engine.assume import WORDS, Assumption, assume
from svcform.engine.exit_code import of_plan
from svcform.engine.propose import propose
from svcform.errors import UsageError
from svcform.plan.plan import NodePlan, Plan
from svcform.policy.decide import decide
from svcform.program.program import Step
from svcform.views.plan_json import document, problem_json
from svcform.views.plan_text import problems_text
from svcform.views.text import clean, joined, plural, shorten

_HEAD = """\
#!/bin/sh
# The whole program of {node}, for a node that has nothing of svcform's yet.
# It was written with no node at hand; it assumes:
{assumptions}
# `svcform apply` does more: it locks, rehearses, reads back and undoes.
set -eu
cd "$(dirname "$0")"
"""
_NO_ADDRESS = "its own addresses are not in the inventory (set node_ip)"


def add(subparsers: flags.Subparsers) -> None:
    """Add the command's grammar."""
    parser = subparsers.add_parser("render", help="write each node's program; contact no node")
    parser.add_argument(
        "--out",
        "-out",
        type=Path,
        required=True,
        metavar="DIR",
        help="a folder for each node in it",
    )
    flags.add_project(parser)
    flags.add_reading(parser)
    flags.add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Plan against nodes that are assumed to be empty, and write what would run there."""
    out = console(arguments)
    loaded = load_project(arguments)
    workspace = workspace_of(loaded, out)
    complete_lock(loaded, out)
    assumed = {node.name: assume(node) for node in workspace.nodes}
    observations = {name: assumption.observation for name, assumption in assumed.items()}
    plan = propose(workspace, decide(workspace), observations)
    written = [node for node in plan.nodes if node.problem is None]
    for node in written:
        _write(arguments.out / node.node, node, _said(assumed[node.node].own))
    if out.json:
        out.result(_json(plan, written))
    else:
        out.stderr.write(problems_text(plan, out.err))
        _tell(out, assumed)
        out.result(f"Wrote {plural(len(written), 'program')} into {arguments.out}.\n")
    return int(of_plan(plan))


def _said(own: tuple[str, ...]) -> tuple[str, ...]:
    where = f"the node has the address {' and '.join(own)}" if own else _NO_ADDRESS
    return (where, *WORDS)


def _tell(out: Console, assumed: Mapping[str, Assumption]) -> None:
    out.say("Assumed of every node, for no node was asked:")
    for text in WORDS:
        out.say(f"  {text}")
    lost = [name for name, assumption in assumed.items() if not assumption.own]
    if lost:
        out.say(f"  {_NO_ADDRESS}: {clean(shorten(lost))}")


def _json(plan: Plan, written: Sequence[NodePlan]) -> str:
    unplanned = [
        {"name": n.node, "problem": problem_json(n.problem)} for n in plan.nodes if n.problem
    ]
    names = [node.node for node in written]
    body = {"written": names, "assumed": list(WORDS), "unplanned": unplanned}
    return document("render", body)


def _write(folder: Path, node: NodePlan, assumptions: tuple[str, ...]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder} can't be made: {error.strerror}.") from error
    said = "\n".join(f"#   {clean(text)}" for text in assumptions)
    lines: list[str] = []
    for number, step in enumerate(node.program.steps, start=1):
        lines += _step(folder, number, step)
    text = _HEAD.format(node=clean(node.node), assumptions=said) + joined(lines)
    replace(folder / "program.sh", text.encode())


def _step(folder: Path, number: int, step: Step) -> list[str]:
    """The step's line; its script and its input go into files of their own."""
    name = f"{number:02}-{step.backend}"
    words = step.command
    if words[:2] == ("sh", "-c"):
        replace(folder / f"{name}.sh", words[2].encode())
        words = ("sh", f"{name}.sh", *words[4:])
    command = shlex.join(words)
    if step.stdin:
        replace(folder / f"{name}.stdin", step.stdin)
        command += f" < {name}.stdin"
    return ["", f"# {clean(step.summary)}", command]
