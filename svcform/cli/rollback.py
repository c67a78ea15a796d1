"""``svcform rollback NODE``: back to the confirmed state of before the node's last apply."""

from __future__ import annotations

from argparse import Namespace

from svcform.cli import parser as flags
from svcform.cli.applying import carry_out, is_approved, refuse_without_terminal, refused
from svcform.cli.console import Console, console
from svcform.cli.lock import read_lock
from svcform.cli.nodes import chosen, fail
from svcform.cli.opening import opener
from svcform.cli.proposing import Proposal, show_plan
from svcform.cli.reading import by_name, read_nodes
from svcform.engine.propose import ProposeOptions
from svcform.engine.rollback import Rollback, propose_rollback
from svcform.errors import NodeError
from svcform.plan.planfile import digest
from svcform.views.progress import NodeProgress
from svcform.views.text import clean

_QUESTION = "Put this state back?"


def add(subparsers: flags.Subparsers) -> None:
    """Add the command's grammar."""
    parser = subparsers.add_parser("rollback", help="put a node's state of before back")
    parser.add_argument("node", help="the node's name in the inventory")
    flags.add_apply(parser)
    flags.add_guards(parser)
    flags.add_renumber(parser)
    flags.add_project(parser)
    flags.add_connection(parser)
    flags.add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Plan the way back, show it, ask, apply it under the guard."""
    out = console(arguments)
    inputs = read_nodes(arguments, out)
    node = chosen(arguments.node, by_name(inputs.nodes))
    refuse_without_terminal(arguments, out, "Use --auto-approve.")
    lock_path, lock = read_lock(arguments, out)
    open_node = opener(inputs.inventory_dir)
    try:
        with NodeProgress(out.stderr, "Reading", 1) as progress:
            found = propose_rollback(
                node, open_node, lock.project_id, _allowed(arguments), progress
            )
    except NodeError as error:
        return fail(out, node, error)
    proposal = Proposal(
        plan=found.plan,
        digest=digest(found.plan),
        nodes={node.name: node},
        opener=open_node,
        lock_path=lock_path,
        plays=tuple(entry.play for entry in inputs.plays),
        play_nodes=by_name(inputs.play_nodes),
    )
    if not out.json:
        show_plan(proposal, out, rules=False)
        _explain(out, node.name, found)
    if code := refused(proposal, out):
        return code
    if not found.plan.is_empty and not is_approved(arguments, out, _QUESTION):
        return 1
    return carry_out(arguments, out, proposal)


def _allowed(arguments: Namespace) -> ProposeOptions:
    return ProposeOptions(
        allow_deletions=arguments.allow_deletions,
        allow_lockout=arguments.allow_lockout,
        allow_renumber=arguments.allow_renumber,
    )


def _explain(out: Console, name: str, found: Rollback) -> None:
    to = found.to
    when = f" at {to.when}" if to.when else ""
    out.say(
        clean(
            f"This is how {name} was after the plan {to.plan[:12]}, applied by {to.who} from "
            f"{to.source}{when}. For an older state, go back in Git and apply that."
        )
    )
