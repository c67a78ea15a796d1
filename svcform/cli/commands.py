"""All commands, in the order of ``svcform --help``: one literal."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from svcform.cli.parser import Subparsers

#: Each is a module beside this one, whose ``add`` adds the command's grammar; the command itself is
#: the grammar's default ``run``.
COMMANDS = (
    "init",
    "validate",
    "plan",
    "apply",
    "show",
    "status",
    "history",
    "rollback",
    "get",
    "destroy",
    "observe",
    "render",
    "dns",
    "inventory",
    "trust",
    "unlock",
    "lock",
    "forget",
    "lab",
)


def grammar(name: str) -> Callable[[Subparsers], None]:
    """What adds a command's grammar; importing it brings all that the command needs."""
    add: Callable[[Subparsers], None] = import_module(f"svcform.cli.{name}").add
    return add
