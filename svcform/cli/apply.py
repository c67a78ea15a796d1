"""``svcform apply [FILE]``: carry out a saved plan, or plan, show, ask and apply."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from svcform.cli import parser as flags
from svcform.cli.applying import carry_out, is_approved, refuse_without_terminal, refused
from svcform.cli.console import Console, console
from svcform.cli.files import parsed
from svcform.cli.opening import opener
from svcform.cli.proposing import Proposal, make_plan, show_plan
from svcform.cli.reading import by_name, read_nodes
from svcform.cli.releasing import release
from svcform.engine.exit_code import of_plan
from svcform.errors import UsageError
from svcform.inputs import lockfile
from svcform.plan import planfile
from svcform.views.text import clean, shorten

_QUESTION = "Apply this plan?"
_OTHER_DIGEST = 3
_OF_PLANS = (
    "target",
    "exclude",
    "allow_deletions",
    "allow_lockout",
    "allow_renumber",
    "allow_unreachable",
    "take_over",
)


def add(subparsers: flags.Subparsers) -> None:
    """Add the command's grammar."""
    parser = subparsers.add_parser("apply", help="carry a plan out")
    parser.add_argument("file", nargs="?", type=Path, help="a plan that `plan --out` wrote")
    parser.add_argument(
        "--expect", metavar="DIGEST", help="plan again; apply only if this is the plan's digest"
    )
    flags.add_apply(parser)
    flags.add_proposal(parser)
    flags.add_project(parser)
    flags.add_reading(parser)
    flags.add_connection(parser)
    flags.add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Apply a file as it is, or a fresh plan that somebody approved."""
    out = console(arguments)
    if arguments.file is not None:
        return _apply_file(arguments, out)
    if arguments.expect is None:
        refuse_without_terminal(arguments, out)
    return _apply_fresh(arguments, out)


def _apply_file(arguments: Namespace, out: Console) -> int:
    if arguments.expect:
        raise UsageError("A plan file is applied as it is: --expect is for an apply without one.")
    if said := [flag for flag in _OF_PLANS if getattr(arguments, flag)]:
        words = f"--{said[0].replace('_', '-')}"
        raise UsageError(
            f"A plan file is applied as it is: {words} belongs to `plan`. Plan again with it."
        )
    plan = parsed(arguments.file, planfile.read)
    inputs = read_nodes(arguments, out)
    nodes = by_name(inputs.nodes)
    strangers = [n.node for n in plan.nodes if n.node not in nodes]
    if strangers and arguments.limit is None:
        raise UsageError(
            f"The plan has {strangers[0]}, which no play of this project chooses; "
            "use the inventory and the playbook that the plan was made with."
        )
    names = [n.node for n in plan.nodes]
    if names and not nodes.keys() & set(names):
        raise UsageError(f"The plan has none of these nodes; it has {clean(shorten(names))}.")
    proposal = Proposal(
        plan=plan,
        digest=planfile.digest(plan),
        nodes=nodes,
        opener=opener(inputs.inventory_dir),
        lock_path=inputs.inventory_dir / lockfile.NAME,
        plays=tuple(entry.play for entry in inputs.plays),
        play_nodes=by_name(inputs.play_nodes),
    )
    return refused(proposal, out) or carry_out(arguments, out, proposal)


def _apply_fresh(arguments: Namespace, out: Console) -> int:
    proposal = make_plan(arguments, out)
    if not out.json:
        show_plan(proposal, out, rules=arguments.rules)
    if arguments.expect and arguments.expect != proposal.digest:
        if out.json:
            show_plan(proposal, out, rules=False, exit_code=_OTHER_DIGEST)
        out.say("Nothing was touched: the plan's digest is not the one that was expected.")
        return _OTHER_DIGEST
    code = refused(proposal, out)
    if code:
        return code
    if proposal.plan.is_empty and out.json:
        return carry_out(arguments, out, proposal)
    if all(node.is_empty or node.problem for node in proposal.plan.nodes):
        return _nothing_to_do(arguments, out, proposal)
    if arguments.expect or is_approved(arguments, out, _QUESTION):
        return carry_out(arguments, out, proposal)
    return 1


def _nothing_to_do(arguments: Namespace, out: Console, proposal: Proposal) -> int:
    code = int(of_plan(proposal.plan))
    if out.json:
        show_plan(proposal, out, rules=False, exit_code=code)
    release(arguments, out, proposal, {})
    return code
