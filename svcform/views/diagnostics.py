"""Findings for people: ``file:line:column: CODE summary``, and the detail below."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from svcform.diagnostics import Diagnostic, Location, Origin, Severity
from svcform.views.text import Palette, clean, clean_lines, joined, plural

_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTICE: "cyan"}
_KEPT = 500
_ORDER = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.NOTICE: 2}


def _place(diagnostic: Diagnostic) -> Location:
    where = diagnostic.where
    if isinstance(where, Origin):
        return Location(where.file)
    return where or Location("")


def ordered(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """By file, line and column; what has no place comes last."""
    return sorted(
        set(diagnostics),
        key=lambda d: (not _place(d).file, _place(d), _ORDER[d.severity], d.code, d.detail),
    )


def human(diagnostics: Iterable[Diagnostic], palette: Palette, *, notices: bool = False) -> str:
    """All findings as text, sorted; notices only where asked for."""
    shown = [d for d in ordered(diagnostics) if notices or d.severity is not Severity.NOTICE]
    lines: list[str] = []
    for diagnostic in shown:
        lines += _one(diagnostic, palette)
    return joined(lines)


def _one(diagnostic: Diagnostic, palette: Palette) -> list[str]:
    place = _place(diagnostic)
    head = f"{palette.paint(clean(str(place)), 'bold')}: " if place.file else ""
    word = palette.paint(diagnostic.severity.value, _COLOURS[diagnostic.severity], "bold")
    first = f"{head}{word} {diagnostic.code} {clean(diagnostic.summary)}"
    return [first, *(f"    {_clipped(line)}" for line in clean_lines(diagnostic.detail))]


def _clipped(line: str) -> str:
    # A manifest's name can be a megabyte; what to do stands at the end.
    if len(line) <= 2 * _KEPT:
        return line
    return f"{line[:_KEPT]} […] {line[-_KEPT:]}"


def tally(diagnostics: Iterable[Diagnostic]) -> str:
    """``2 errors, 1 warning``; empty for no findings."""
    severities = [d.severity for d in set(diagnostics)]
    counts = ((severities.count(s), s.value) for s in (Severity.ERROR, Severity.WARNING))
    return ", ".join(plural(count, word) for count, word in counts if count)


def as_json(diagnostic: Diagnostic) -> Mapping[str, Any]:
    """One finding as a JSON object (``docs/json.md``)."""
    place = _place(diagnostic)
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity.value,
        "summary": diagnostic.summary,
        "detail": diagnostic.detail,
        "file": place.file or None,
        "line": place.line or None,
        "column": place.column or None,
    }
