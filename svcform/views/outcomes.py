"""What became of each node in an apply: a line each, those that went well in one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from svcform.views.text import Palette, clean, clean_lines, joined, plural, shorten

_MOVED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeResult:
    """One node's result, in words: ``word`` is stable (``applied``, ``stale``, …)."""

    node: str
    word: str
    failed: bool
    detail: str = ""
    remedy: str = ""
    moved: tuple[str, ...] = ()


def outcomes_text(results: Sequence[NodeResult], palette: Palette) -> str:
    """Failures in their own words, then how many nodes ended how."""
    lines: list[str] = []
    for result in results:
        if result.failed:
            lines += _failure(result, palette)
    words = [result.word for result in results]
    for word in dict.fromkeys(words):
        names = [r.node for r in results if r.word == word]
        colour = "red" if any(r.failed for r in results if r.word == word) else "green"
        shown = clean(shorten(names, 4))
        lines.append(f"{palette.paint(word, colour)}: {shown} ({plural(len(names), 'node')})")
    return joined(lines)


def _failure(result: NodeResult, palette: Palette) -> list[str]:
    head = f"{palette.paint(clean(result.node), 'bold')}: {palette.paint(result.word, 'red')}"
    texts = [result.detail, result.remedy]
    body = [f"    {line}" for text in texts if text for line in clean_lines(text)]
    moved = [f"    moved: {clean(address)}" for address in result.moved[:_MOVED]]
    rest = len(result.moved) - _MOVED
    return [head, *body, *moved, *([f"    moved: and {rest} more"] if rest > 0 else [])]


def outcomes_json(results: Sequence[NodeResult]) -> list[Mapping[str, Any]]:
    """One JSON object for each node."""
    return [
        {
            "name": result.node,
            "outcome": result.word,
            "failed": result.failed,
            "message": result.detail,
            "remedy": result.remedy,
            "moved": list(result.moved),
        }
        for result in results
    ]
