"""Which parts of a Service its schema refuses: the others are checked all the same."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from svcform.diagnostics import Diagnostic, Origin
from svcform.inputs.locate import KEY


@dataclass(slots=True)
class BrokenParts:
    """Fields of ``metadata`` and ``spec`` (and ``status``) that no check may read, by name.

    ``ports`` are the numbers of single ports; with ``everything`` nothing can be checked.
    """

    fields: set[str] = field(default_factory=set)
    ports: set[int] = field(default_factory=set)
    everything: bool = False


def broken_parts(
    path: tuple[str | int, ...], problems: Iterable[Diagnostic], known: Iterable[str]
) -> BrokenParts:
    """What the findings about the object at ``path`` of its document leave unknown.

    ``known`` are the fields that checks read: a field that doesn't exist may have been meant as
    one of them.
    """
    found = BrokenParts()
    names = tuple(known)
    for problem in problems:
        if isinstance(problem.where, Origin) and problem.where.path[: len(path)] == path:
            _add(problem.where.path[len(path) :], found, names)
        else:
            found.everything = True
    return found


def _add(path: tuple[Any, ...], found: BrokenParts, known: tuple[str, ...]) -> None:
    if path[:2] == ("spec", "ports") and len(path) > 2:
        found.ports.add(path[2])
    elif path and path[-1] is KEY:
        # Mistyped, or at the wrong depth: what it was to say is not known.
        name = str(path[-2])
        found.fields |= {name, *get_close_matches(name, known, n=5)}
        found.fields.update(str(step) for step in path[1:-2])
    elif path[:1] == ("status",):
        found.fields.add("status")
    elif len(path) < 2:
        found.everything = True
    else:
        found.fields.add(str(path[1]))
