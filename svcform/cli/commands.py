"""All commands, in the order of ``svcform --help``: one literal."""

from __future__ import annotations

from typing import Protocol

from svcform.cli import (
    apply,
    destroy,
    forget,
    get,
    init,
    inventory,
    lab,
    lock,
    plan,
    render,
    show,
    trust,
    validate,
)
from svcform.cli.parser import Subparsers


class Command(Protocol):
    """A module of this package: its grammar (with ``run`` as a default of it)."""

    def add(self, subparsers: Subparsers) -> None:
        """Add the command's grammar."""
        ...


COMMANDS: tuple[Command, ...] = (
    init, validate, plan, apply, show, get, destroy, render, inventory, trust, lock, forget, lab,
)  # fmt: skip
