"""The rules behind a plan: each object as it is and as it will be, line by line."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from svcform.plan.diff import Change
from svcform.views.text import Palette, clean

_CONTEXT = 2


def rule_lines(changes: Sequence[Change]) -> tuple[str, ...]:
    """Every object's difference, uncoloured; lines begin with ``+``, ``-`` or a space."""
    lines: list[str] = []
    for change in changes:
        lines.append(f"  {clean(str(change.address))}")
        before = [clean(line) for line in change.before.lines()] if change.before else []
        after = [clean(line) for line in change.after.lines()] if change.after else []
        lines += [f"    {line}" for line in _difference(before, after)]
    return tuple(lines)


def _difference(before: list[str], after: list[str]) -> list[str]:
    if not before:
        return [f"+ {line}" for line in after]
    if not after:
        return [f"- {line}" for line in before]
    found = difflib.unified_diff(before, after, lineterm="", n=_CONTEXT)
    return [f"{line[0]} {line[1:]}" for line in list(found)[2:] if not line.startswith("@@")]


def painted(line: str, palette: Palette) -> str:
    """A line of :func:`rule_lines` in its colour."""
    sign = line.strip()[:1]
    if sign == "+":
        return palette.paint(line, "green")
    return palette.paint(line, "red") if sign == "-" else palette.paint(line, "dim")
