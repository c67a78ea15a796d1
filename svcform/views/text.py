"""Text that is safe to print: colour comes from us, never from a manifest."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_CODES = {"red": "31", "green": "32", "yellow": "33", "cyan": "36", "bold": "1", "dim": "2"}


@dataclass(frozen=True, slots=True)
class Palette:
    """Paints words, or leaves them alone where ``colour`` is False."""

    colour: bool = False

    def paint(self, text: str, *names: str) -> str:
        """``text`` in the named colours (``red``, ``bold``, …)."""
        if not self.colour or not names:
            return text
        return f"\x1b[{';'.join(_CODES[name] for name in names)}m{text}\x1b[0m"


def clean(text: str) -> str:
    """``text`` with every character that a terminal would act on made visible.

    Control characters (escape sequences), format characters (bidirectional overrides) and lone
    surrogates are shown as Python escapes them; a line break becomes a space.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_visible(character) for character in text)


def _visible(character: str) -> str:
    if character in "\n\t":
        return " "
    if unicodedata.category(character)[0] != "C" and character not in "\u2028\u2029":
        return character
    return (
        character.encode("ascii", "backslashreplace").decode()
        if ord(character) > 127
        else (f"\\x{ord(character):02x}")
    )


def clean_lines(text: str) -> list[str]:
    """The lines of ``text``, each clean."""
    return [clean(line) for line in text.splitlines()] or [""]


def columns(rows: Sequence[Sequence[str]], *, gap: int = 3) -> list[str]:
    """Rows as aligned columns, like ``kubectl get``; the last column is not padded."""
    if not rows:
        return []
    cleaned = [[clean(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in cleaned) for i in range(len(cleaned[0]))]
    return [
        (" " * gap)
        .join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        .rstrip()
        for row in cleaned
    ]


def shorten(items: Sequence[str], limit: int = 5) -> str:
    """``a, b, c and 7 more``."""
    if len(items) <= limit + 1:
        return ", ".join(items)
    return f"{', '.join(items[:limit])} and {len(items) - limit} more"


def plural(count: int, noun: str) -> str:
    """``1 node``, ``3 nodes``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def joined(lines: Iterable[str]) -> str:
    """Lines as one text that ends with a line break; nothing for no lines."""
    text = "\n".join(lines)
    return text + "\n" if text else ""
