"""``svcform plan``: what would change on each node; changes nothing there."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from svcform.cli import parser as flags
from svcform.cli.console import console
from svcform.cli.files import replace
from svcform.cli.proposing import make_plan, show_plan
from svcform.engine.exit_code import of_plan
from svcform.plan import planfile


def add(subparsers: flags.Subparsers) -> None:
    """Add the command's grammar."""
    parser = subparsers.add_parser("plan", help="show what would change on each node")
    parser.add_argument(
        "--out", "-out", type=Path, metavar="FILE", help="write the plan, for `apply FILE`"
    )
    parser.add_argument(
        "--from", dest="from_reading", type=Path, metavar="FILE",
        help="plan from a reading that `observe --out` wrote; asks no node",
    )  # fmt: skip
    parser.add_argument("--destroy", action="store_true", help="plan what `destroy` would do")
    flags.add_proposal(parser)
    flags.add_project(parser)
    flags.add_reading(parser)
    flags.add_connection(parser)
    flags.add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Plan, show, and write the plan file where one is wanted."""
    out = console(arguments)
    proposal = make_plan(arguments, out, destroy=arguments.destroy)
    code = of_plan(proposal.plan, detailed=arguments.detailed_exitcode)
    show_plan(proposal, out, rules=arguments.rules, exit_code=int(code))
    if arguments.out is not None:
        # A plan holds rules and addresses of a network: its owner decides who reads it.
        replace(arguments.out, planfile.write(proposal.plan), private=True)
        if proposal.plan.refusals:
            out.say("Saved the plan, which no apply carries out: it was refused.")
        else:
            out.say(f"Saved the plan; carry out exactly this with: svcform apply {arguments.out}")
    return int(code)
