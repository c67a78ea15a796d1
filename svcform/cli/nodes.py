"""Commands about one node: which one, and how it is reached."""

from __future__ import annotations

from argparse import Namespace

from svcform.cli.console import Console
from svcform.cli.opening import opener
from svcform.cli.reading import by_name, read_nodes
from svcform.engine.observe import Opener
from svcform.errors import UsageError
from svcform.model.node import Node


def named_node(arguments: Namespace, out: Console) -> tuple[Node, Opener]:
    """The node of ``arguments.node``.  Raises InputError, and UsageError where no play has it."""
    inputs = read_nodes(arguments, out)
    nodes = by_name(inputs.nodes)
    if arguments.node not in nodes:
        raise UsageError(f"{arguments.node} is no node that a play of this project chooses.")
    return nodes[arguments.node], opener(inputs.inventory_dir)
