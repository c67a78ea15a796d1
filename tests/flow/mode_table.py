"""What docs/modes.md says of established connections when the mode is changed."""

from __future__ import annotations

import re
from pathlib import Path

_DOCS = Path(__file__).parents[2] / "docs/modes.md"


def established(old: str, new: str, protocol: str) -> str:
    """``live on`` or ``end``, or why there is nothing to say."""
    text = _DOCS.read_text()
    head, *rows = re.findall(r"^\| (?:established|`\w+` → ).*$", text, re.MULTILINE)
    names = [cell.strip() for cell in head.strip("|").split("|")]
    for row in rows:
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        if cells[0] == f"`{old}` → `{new}`":
            return cells[names.index(protocol)]
    raise AssertionError(f"docs/modes.md has no row for {old} → {new}")
