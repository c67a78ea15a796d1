"""Where an Origin lies: line and column, found only for the few that are shown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path

import yaml

from svcform.diagnostics import Diagnostic, Location, Origin
from svcform.inputs.marked import locate as locate_in
from svcform.inputs.sources import Source
from svcform.inputs.yaml_nodes import compose

#: As the last step of a path: the place of the key before it, not of its value.
KEY = "\0key"


def locate(
    diagnostics: Iterable[Diagnostic], sources: Mapping[str, Source], folder: Path
) -> list[Diagnostic]:
    """The same findings with Locations in the place of Origins, sorted by place and code.

    ``sources`` are the texts that were read; any other file is read again, relative to ``folder``.
    A document is composed once, whatever number of findings is in it.
    """
    found = list(diagnostics)
    wanted: dict[str, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for number, diagnostic in enumerate(found):
        if isinstance(diagnostic.where, Origin):
            wanted[diagnostic.where.file][diagnostic.where.document].append(number)
    for file, documents in wanted.items():
        source = sources.get(file) or _read(file, folder)
        for document, numbers in documents.items():
            found_here = _root(source, document)
            for number in numbers:
                origin = found[number].where
                assert isinstance(origin, Origin)  # noqa: S101 - only those were collected
                where = _location(source, found_here, origin)
                found[number] = replace(found[number], where=where)
    return sorted(found, key=_sort_key)


def locate_origin(origin: Origin, sources: Mapping[str, Source], folder: Path) -> Location:
    """The place of one Origin (to name a second place in a sentence)."""
    source = sources.get(origin.file) or _read(origin.file, folder)
    return _location(source, _root(source, origin.document), origin)


def _sort_key(diagnostic: Diagnostic) -> tuple[bool, Location, str, str]:
    where = diagnostic.where if isinstance(diagnostic.where, Location) else None
    place = where or Location("")
    return (where is None, place, diagnostic.code, diagnostic.detail)


def _read(file: str, folder: Path) -> Source:
    try:
        text = (folder / file).read_text(encoding="utf-8-sig") if file else ""
    except (OSError, UnicodeDecodeError):
        text = ""
    return Source(name=file, file=file, text=text, json=file.endswith(".json"))


def _root(source: Source, document: int) -> tuple[yaml.Node | None, int]:
    # The composed document and the number of lines before its chunk.
    found = source.chunk_of(document)
    if found is None:
        return None, 0
    chunk, number = found
    text = chunk.text.replace("\t", " ") if source.json else chunk.text
    try:
        return next(islice(compose(text), number, None), None), chunk.lines_before
    except (yaml.YAMLError, RecursionError):
        return None, chunk.lines_before


def _location(source: Source, root: tuple[yaml.Node | None, int], origin: Origin) -> Location:
    node, lines_before = root
    if node is None:
        return Location(source.file)
    path = origin.path
    key = bool(path) and path[-1] == KEY
    place = locate_in("", node, path[:-1] if key else path, key=key)
    return source.location(lines_before + place.line - 1, place.column - 1)
