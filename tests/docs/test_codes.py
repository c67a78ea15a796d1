"""Each code has its page, each page a code, and both call it the same."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = {path.stem: path for path in sorted((ROOT / "docs/codes").glob("*.md"))}
CODE = re.compile(r"SVC[1-9][0-9]{2}")


def constants(path):
    tree = ast.parse(path.read_text())
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        (node.value, node.lineno)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in docstrings
    ]


def used_codes():
    found = {}
    for path in sorted((ROOT / "svcform").rglob("*.py")):
        for text, line in constants(path):
            if CODE.fullmatch(text):
                found.setdefault(text, f"{path.relative_to(ROOT)}:{line}")
    return found


USED = used_codes()


@functools.cache
def summaries():
    """Codes that stand beside their summary: ``Diagnostic("SVC201", severity, "summary", …)``."""
    found = {}
    for path in sorted((ROOT / "svcform").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            texts = [
                a.value
                for a in [*node.args, *(k.value for k in node.keywords)]
                if isinstance(a, ast.Constant) and isinstance(a.value, str)
            ]
            if len(texts) >= 2 and CODE.fullmatch(texts[0]):
                found.setdefault(texts[0], set()).add(texts[1])
    return found


def test_codes_are_found_at_all():
    assert len(USED) > 30


@pytest.mark.parametrize("code", sorted(USED))
def test_a_code_has_its_page(code):
    assert code in PAGES, f"{code} ({USED[code]}) has no docs/codes/{code}.md"


@pytest.mark.parametrize("code", sorted(PAGES))
def test_a_page_has_its_code(code):
    assert code in USED, f"docs/codes/{code}.md speaks of a code that svcform never says"


@pytest.mark.parametrize("code", sorted(PAGES))
def test_a_page_begins_with_code_and_summary(code):
    heading = PAGES[code].read_text().splitlines()[0]
    said = summaries().get(code)

    assert heading.startswith(f"# {code}: ")
    if said and len(said) == 1:
        assert heading == f"# {code}: {said.pop()}"


@pytest.mark.parametrize("code", sorted(PAGES))
def test_a_page_says_what_to_do(code):
    assert len(PAGES[code].read_text().splitlines()) >= 5
