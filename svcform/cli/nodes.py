"""Commands about one node: which one, and how it is reached."""

from __future__ import annotations

import difflib
from argparse import Namespace
from collections.abc import Mapping

from svcform.cli.console import Console
from svcform.cli.opening import opener
from svcform.cli.reading import by_name, read_nodes
from svcform.engine.observe import Opener
from svcform.errors import NodeError, OwnershipRefused, UsageError
from svcform.model.node import Node
from svcform.views.plan_json import findings_json
from svcform.views.text import clean

_UNREADABLE = 4
_REFUSED = 7


def named_node(arguments: Namespace, out: Console) -> tuple[Node, Opener]:
    """The node of ``arguments.node``.  Raises InputError, and UsageError where no play has it."""
    inputs = read_nodes(arguments, out)
    return chosen(arguments.node, by_name(inputs.nodes)), opener(inputs.inventory_dir)


def chosen(name: str, named: Mapping[str, Node]) -> Node:
    """The node of that name.  Raises UsageError where there is none."""
    if name not in named:
        near = difflib.get_close_matches(name, named, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise UsageError(f"{name} is no node that a play of this project chooses.{hint}")
    return named[name]


def fail(out: Console, node: Node, error: NodeError) -> int:
    """Say why nothing was done with the node; the exit code."""
    code = _REFUSED if isinstance(error, OwnershipRefused) else _UNREADABLE
    if out.json:
        problem = {"name": node.name, "reason": error.reason, "remedy": error.remedy}
        body = {"exit_code": code, "message": str(error), "node": problem}
        out.result(findings_json("error", (), body))
    out.say(clean(f"{node.name}: {error} {error.remedy}".rstrip()))
    return code
