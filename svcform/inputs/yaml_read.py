"""Manifests' YAML and JSON, fast: a reader that only accepts, and one that explains.

ryaml (libyaml's parser in Rust) reads the documents in which nothing can be ambiguous; it refuses
duplicate keys.  Every other document, and every one that ryaml refuses, is read by
:mod:`svcform.inputs.yaml_nodes`, which equals it on all that both accept.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import yaml

from svcform.diagnostics import Diagnostic, Location, Severity
from svcform.inputs.sources import Chunk, Source
from svcform.inputs.yaml_limits import is_deep, marked, said
from svcform.inputs.yaml_lists import loads_all
from svcform.inputs.yaml_nodes import Path, Problem, read_nodes
from svcform.inputs.yaml_scalars import is_harmless, needs_slow_reader


class Document(NamedTuple):
    """A document: which one of its source (from 0), its value, ambiguous scalars by path."""

    source: Source
    number: int
    value: Any
    ambiguous: tuple[tuple[Path, str], ...] = ()


@dataclass(slots=True)
class _Findings:
    source: Source
    documents: list[Document] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)

    def add(self, value: object, ambiguous: tuple[tuple[Path, str], ...] = ()) -> None:
        self.documents.append(Document(self.source, len(self.documents), value, ambiguous))


def read_documents(source: Source) -> tuple[list[Document], list[Diagnostic]]:
    """All documents of a source; empty ones have the value None.

    A document that can't be read keeps its number and has the value None, beside its errors.
    """
    found = _Findings(source)
    if source.json and (value := _read_json(source.text)) is not None:
        found.add(value)
        return found.documents, []
    trusted = not source.is_one_piece
    harmless = trusted and is_harmless(source.text)
    for chunk in source.chunks():
        accepts = harmless or (trusted and not needs_slow_reader(chunk.text))
        if accepts and _read_fast(chunk, found):
            continue
        _read_slowly(chunk, found)
    return found.documents, found.diagnostics


def read_again(document: Document) -> tuple[Document, list[Diagnostic]]:
    """A document that was readable, as the slow reader has it: all its keys are text."""
    source = document.source
    found = source.chunk_of(document.number)
    readings = read_nodes(_untabbed(source, found[0].text)) if found else []
    if found is None or not readings:
        return document, []
    chunk, number = found
    reading = readings[number]
    again = document._replace(value=reading.value, ambiguous=tuple(reading.ambiguous))
    return again, [_diagnostic(problem, source, chunk) for problem in reading.problems]


def _read_json(text: str) -> object:
    try:
        value: object = json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        return None
    return None if is_deep(value) else value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("duplicate key")
    return made


def _read_fast(chunk: Chunk, found: _Findings) -> bool:
    try:
        values = loads_all(chunk.text) or [None]
    except (ValueError, RecursionError):
        return False
    for value in values:
        found.add(value)
    return True


def _read_slowly(chunk: Chunk, found: _Findings) -> None:
    source = found.source
    try:
        readings = read_nodes(_untabbed(source, chunk.text))
    except yaml.YAMLError as error:
        second = _second_document(source) if source.json else None
        found.diagnostics.append(second or _syntax_error(marked(error, chunk.text), source, chunk))
        found.add(None)
        return
    for reading in readings:
        found.diagnostics += [_diagnostic(problem, source, chunk) for problem in reading.problems]
        found.add(reading.value, tuple(reading.ambiguous))
    if not readings:
        found.add(None)


def _second_document(source: Source) -> Diagnostic | None:
    """What is wrong with a file of JSON documents one after the other, if it is one."""
    text = source.text
    try:
        _, end = json.JSONDecoder().raw_decode(text, len(text) - len(text.lstrip()))
    except (ValueError, RecursionError):
        return None
    rest = text[end:].lstrip()
    if not rest.startswith(("{", "[")):
        return None
    before = text[: len(text) - len(rest)]
    line = before.count("\n")
    return Diagnostic(
        "SVC151",
        Severity.ERROR,
        "The document is not valid YAML",
        "A file that ends in .json holds one document, and here a second one begins. Put them "
        "into one List (`kubectl get -o json` writes one), or into a .yaml file with `---` lines "
        "between them.",
        source.location(line, len(before) - before.rfind("\n") - 1),
    )


def _untabbed(source: Source, text: str) -> str:
    # JSON may be indented by tabs, and has none inside of its strings; YAML may not.
    return text.replace("\t", " ") if source.json else text


def _place(mark: yaml.Mark | None, source: Source, chunk: Chunk) -> Location:
    if mark is None:
        return Location(source.file, chunk.lines_before + 1, 1)
    return source.location(chunk.lines_before + mark.line, mark.column)


def _diagnostic(problem: Problem, source: Source, chunk: Chunk) -> Diagnostic:
    where = _place(problem.mark, source, chunk)
    detail = problem.detail
    if problem.code == "SVC152":
        return Diagnostic("SVC152", Severity.ERROR, "A key is there twice", detail, where)
    return Diagnostic("SVC154", Severity.ERROR, "YAML that manifests don't have", detail, where)


def _syntax_error(error: yaml.MarkedYAMLError, source: Source, chunk: Chunk) -> Diagnostic:
    return Diagnostic(
        "SVC151",
        Severity.ERROR,
        "The document is not valid YAML",
        f"The document can't be read as YAML: {said(error)}",
        _place(error.problem_mark or error.context_mark, source, chunk),
    )
