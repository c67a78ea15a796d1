"""``svcform render --out DIR``: each node's whole program, with no node needed."""

from __future__ import annotations

import shlex
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

from svcform.cli import parser as flags
from svcform.cli.console import Console, console
from svcform.cli.files import replace
from svcform.cli.reading import complete_lock, load_project, workspace_of
from svcform.engine.assume import assume
from svcform.engine.exit_code import of_plan
from svcform.engine.propose import propose
from svcform.errors import UsageError
from svcform.plan.plan import NodePlan
from svcform.policy.decide import decide
from svcform.program.program import Step
from svcform.views.plan_text import problems_text
from svcform.views.text import clean, joined, plural

_HEAD = """\
#!/bin/sh
# The whole program of {node}, for a node that has nothing of svcform's yet.
# It was written with no node at hand; it assumes:
{assumptions}
# `svcform apply` does more: it locks, rehearses, reads back and undoes.
set -eu
cd "$(dirname "$0")"
"""


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
    written = 0
    for node in plan.nodes:
        if node.problem is None:
            _write(arguments.out / node.node, node, assumed[node.node].words)
            written += 1
    out.stderr.write(problems_text(plan, out.err))
    _tell(out, {name: assumption.words for name, assumption in assumed.items()})
    out.result(f"Wrote the {plural(written, 'program')} into {arguments.out}.\n")
    return int(of_plan(plan))


def _tell(out: Console, words: Mapping[str, tuple[str, ...]]) -> None:
    for text in dict.fromkeys(text for texts in words.values() for text in texts):
        out.say(f"Assumed: {clean(text)}")


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
    command = shlex.join(step.command)
    if step.stdin:
        name = f"{number:02}-{step.backend}.stdin"
        replace(folder / name, step.stdin)
        command += f" < {name}"
    return ["", f"# {clean(step.summary)}", command]
