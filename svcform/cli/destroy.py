"""``svcform destroy``: take everything of svcform's off the nodes, and nothing else."""

from __future__ import annotations

from argparse import Namespace

from svcform.cli import parser as flags
from svcform.cli.applying import carry_out, is_approved, refuse_without_terminal
from svcform.cli.console import console
from svcform.cli.proposing import make_plan, show_plan
from svcform.engine.exit_code import of_plan

_WAY = (
    "Use --auto-approve, or save a plan with `svcform plan --destroy --out FILE` and apply that "
    "file."
)
_QUESTION = "Take all Services off these nodes?"


def add(subparsers: flags.Subparsers) -> None:
    """Add the command's grammar."""
    parser = subparsers.add_parser("destroy", help="take everything of svcform's off the nodes")
    flags.add_apply(parser)
    flags.add_proposal(parser)
    flags.add_project(parser)
    flags.add_reading(parser)
    flags.add_connection(parser)
    flags.add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Plan the emptying, show it, ask, do it."""
    out = console(arguments)
    refuse_without_terminal(arguments, out, _WAY)
    proposal = make_plan(arguments, out, destroy=True)
    if not out.json:
        show_plan(proposal, out, rules=arguments.rules)
    code = int(of_plan(proposal.plan))
    if proposal.plan.refusals or all(n.is_empty or n.problem for n in proposal.plan.nodes):
        if out.json:
            show_plan(proposal, out, rules=False, exit_code=code)
        return code
    if not is_approved(arguments, out, _QUESTION):
        return 1
    return carry_out(arguments, out, proposal)
