"""``svcform show FILE``: a saved plan, as ``plan`` showed it."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from svcform.cli import parser as flags
from svcform.cli.console import console
from svcform.cli.files import parsed
from svcform.engine.exit_code import of_plan
from svcform.plan import planfile
from svcform.views.plan_json import plan_json
from svcform.views.plan_text import plan_text


def add(subparsers: flags.Subparsers) -> None:
    """Add the command's grammar."""
    parser = subparsers.add_parser("show", help="show a saved plan")
    parser.add_argument("file", type=Path, help="the plan file")
    parser.add_argument("--rules", action="store_true", help="show the rules behind the changes")
    parser.add_argument(
        "--detailed-exitcode", action="store_true", help="leave with 2 where changes are pending"
    )
    flags.add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Show the plan; contacts no node."""
    out = console(arguments)
    plan = parsed(arguments.file, planfile.read)
    code = int(of_plan(plan, detailed=arguments.detailed_exitcode))
    digest = planfile.digest(plan)
    if out.json:
        out.result(plan_json(plan, digest, exit_code=code))
    else:
        out.result(plan_text(plan, digest, out.out, rules=arguments.rules))
    return code
