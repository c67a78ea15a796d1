"""``svcform forget NODE``: a managed machine is gone for good, and nothing is left to empty."""

from __future__ import annotations

from argparse import Namespace

from svcform.cli import parser as flags
from svcform.cli.console import console
from svcform.cli.files import shown
from svcform.cli.lock import read_lock
from svcform.inputs import lock_changes, lockfile
from svcform.views.plan_json import document


def add(subparsers: flags.Subparsers) -> None:
    """Add the command's grammar."""
    parser = subparsers.add_parser("forget", help="no longer manage a machine that is gone")
    parser.add_argument("node", help="the name that it had in the inventory")
    flags.add_project(parser)
    flags.add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Take the node's line out of the lock file; contacts no node."""
    out = console(arguments)
    path, lock = read_lock(arguments, out)
    lockfile.write(path, lockfile.render(lock_changes.forget(lock, arguments.node)))
    if out.json:
        out.result(document("forget", {"node": arguments.node, "file": str(path)}))
    else:
        out.result(f"{arguments.node} is no longer managed; commit {shown(path)}.\n")
    return 0
