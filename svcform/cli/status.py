"""``svcform status``: which nodes are in step with the project, and who was there last."""

from __future__ import annotations

from argparse import Namespace

from svcform.cli import parser as flags
from svcform.cli.console import console
from svcform.cli.proposing import make_plan
from svcform.engine.exit_code import of_status
from svcform.engine.status import status
from svcform.views.status import status_json, status_text


def add(subparsers: flags.Subparsers) -> None:
    """Add the command's grammar."""
    parser = subparsers.add_parser("status", help="which nodes are in step, behind or drifted")
    flags.add_project(parser)
    flags.add_reading(parser)
    flags.add_connection(parser)
    flags.add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Compare all nodes with the project and with their receipts; changes nothing anywhere."""
    out = console(arguments)
    proposal = make_plan(arguments, out, look_only=True)
    found = status(proposal.plan, proposal.observations)
    code = int(of_status(proposal.plan, found))
    if out.json:
        out.result(status_json(found, exit_code=code))
    else:
        out.result(status_text(found, out.out))
    return code
