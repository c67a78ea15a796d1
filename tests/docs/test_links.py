"""Links between the project's own documents lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(path):
    broken = [x for x in LINK.findall(path.read_text()) if not (path.parent / x).exists()]

    assert broken == []


def test_every_page_of_docs_can_be_found_from_the_index():
    index = (ROOT / "docs/index.md").read_text()
    pages = sorted(path.name for path in (ROOT / "docs").glob("*.md"))

    assert [name for name in pages if name != "index.md" and f"]({name})" not in index] == []
