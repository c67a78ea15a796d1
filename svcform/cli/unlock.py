"""``svcform unlock NODE``: take away a lock that nobody holds any more."""

from __future__ import annotations

from argparse import Namespace

from svcform.cli import parser as flags
from svcform.cli.console import Console, console
from svcform.cli.nodes import fail, named_node
from svcform.engine.unlock import Unlocked, unlock
from svcform.errors import NodeError
from svcform.views.plan_json import document
from svcform.views.progress import NodeProgress
from svcform.views.status import lock_json
from svcform.views.text import clean

_LOCKED = 6


def add(subparsers: flags.Subparsers) -> None:
    """Add the command's grammar."""
    parser = subparsers.add_parser("unlock", help="take away a lock that was left behind")
    parser.add_argument("node", help="the node's name in the inventory")
    flags.add_project(parser)
    flags.add_connection(parser)
    flags.add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Remove stale locks; say who holds a live one, which stays."""
    out = console(arguments)
    node, open_node = named_node(arguments, out)
    try:
        with NodeProgress(out.stderr, "Reading", 1) as progress:
            found = unlock(node, open_node, progress)
    except NodeError as error:
        return fail(out, node, error)
    code = _LOCKED if found.held else 0
    if out.json:
        body = {
            "node": node.name,
            "exit_code": code,
            "removed": [lock_json(lock) for lock in found.removed],
            "held": [lock_json(lock) for lock in found.held],
        }
        out.result(document("unlock", body))
    else:
        _tell(out, node.name, found)
    return code


def _tell(out: Console, name: str, found: Unlocked) -> None:
    for lock in found.removed:
        out.result(clean(f"{name}: removed the lock that was left behind by {lock}.") + "\n")
    for lock in found.held:
        out.say(
            clean(
                f"{name} is locked by {lock}, who is still at work. The lock goes when that apply "
                "ends, or a minute after its controller died."
            )
        )
    if not found.removed and not found.held:
        out.result(clean(f"{name} is not locked.") + "\n")
