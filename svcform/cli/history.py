"""``svcform history NODE``: the last ten applies, as the node remembers them."""

from __future__ import annotations

from argparse import Namespace

from svcform.cli import parser as flags
from svcform.cli.console import console
from svcform.cli.nodes import fail, named_node
from svcform.engine.observe import observe
from svcform.errors import NodeError
from svcform.views.history import history_json, history_text
from svcform.views.progress import NodeProgress


def add(subparsers: flags.Subparsers) -> None:
    """Add the command's grammar."""
    parser = subparsers.add_parser("history", help="a node's last ten applies")
    parser.add_argument("node", help="the node's name in the inventory")
    flags.add_project(parser)
    flags.add_connection(parser)
    flags.add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Read the node's receipts and print them, the latest first."""
    out = console(arguments)
    node, open_node = named_node(arguments, out)
    with NodeProgress(out.stderr, "Reading", 1) as progress:
        seen = observe([node], open_node, progress=progress)[node.name]
    if isinstance(seen, NodeError):
        return fail(out, node, seen)
    receipts = seen.recorded.receipts[::-1]
    out.result(history_json(node.name, receipts) if out.json else history_text(receipts))
    return 0
