"""Manifests: files, folders and globs in, Kubernetes objects out."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

from svcform.diagnostics import Diagnostic, Location, Origin, Severity
from svcform.inputs.encoding import not_utf8, place_of
from svcform.inputs.kinds import KINDS, Kind, group_of
from svcform.inputs.marked_files import shown
from svcform.inputs.sources import Source
from svcform.inputs.templates import render
from svcform.inputs.yaml_read import Document, read_documents

_SUFFIXES = (".yaml", ".yml", ".json")
_LOWER = {name.lower(): name for name in (*KINDS, "List")}
_TYPES = {
    list: "a list",
    str: "a text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    type(None): "nothing",
}


class RawObject(NamedTuple):
    """One object of a known kind, as it was read; not validated yet.

    ``path`` is where it stands in its document: empty, or ``("items", 3)`` inside of a List.
    """

    kind: Kind
    value: dict[str, Any]
    document: Document
    path: tuple[str | int, ...] = ()

    @property
    def origin(self) -> Origin:
        """Where the object stands."""
        return Origin(self.document.source.name, self.document.number, self.path)


@dataclass(slots=True)
class Manifests:
    """What the manifests of a project hold.

    ``objects`` has each object once, in the order of reading; ``plays[i]`` has the numbers of
    those that play ``i`` names; ``read`` the same by source, so that none is read twice;
    ``skipped`` counts the objects of kinds that svcform has no use for.
    """

    objects: list[RawObject] = field(default_factory=list)
    plays: list[list[int]] = field(default_factory=list)
    sources: dict[str, Source] = field(default_factory=dict)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    read: dict[str, list[int]] = field(default_factory=dict)
    skipped: Counter[str] = field(default_factory=Counter)


class ManifestPaths(NamedTuple):
    """What one play wants read: paths (each with where it was written), template variables."""

    paths: Sequence[Path]
    origins: Sequence[Origin]
    variables: Mapping[str, Any]


def read_manifests(plays: Sequence[ManifestPaths]) -> Manifests:
    """Read what the plays name; each file once, each template once a play."""
    found = Manifests()
    for number, play in enumerate(plays):
        numbers: list[int] = []
        for file in _files(play, found.diagnostics):
            source = _source(file, play.variables, number, found)
            if source is not None:
                numbers += _objects_of(source, found)
        found.plays.append(sorted(set(numbers)))
    found.diagnostics += _notices(found.skipped)
    return found


def _files(play: ManifestPaths, diagnostics: list[Diagnostic]) -> list[Path]:
    files: dict[Path, None] = {}
    origins = [*play.origins, *[None] * len(play.paths)]
    for path, origin in zip(play.paths, origins, strict=False):
        failed: list[OSError] = []
        matches = sorted(_expand(Path(os.path.normpath(path)), failed.append))
        diagnostics += [
            _unreadable(f"{error.strerror}.", Location(shown(Path(error.filename))))
            for error in failed
        ]
        if not matches and not failed:
            diagnostics.append(_nothing_there(path, origin))
        files.update(dict.fromkeys(matches))
    return list(files)


def _expand(path: Path, failed: Callable[[OSError], object]) -> Iterator[Path]:
    if path.is_dir():
        seen: set[tuple[int, int]] = set()
        for folder, folders, names in os.walk(path, onerror=failed, followlinks=True):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            if not _is_new(Path(folder), seen):
                folders.clear()
                continue
            yield from (
                Path(folder, name)
                for name in names
                if name.removesuffix(".j2").endswith(_SUFFIXES)
                and not name.startswith(".")
                and not _would_block(Path(folder, name))
            )
    elif path.exists():
        yield path
    elif any(sign in str(path) for sign in "*?["):
        for match in Path(path.anchor).glob(str(path.relative_to(path.anchor))):
            yield from _expand(match, failed)


def _is_new(folder: Path, seen: set[tuple[int, int]]) -> bool:
    """Whether this is the first way to a folder: links may lead to one twice, or in circles."""
    try:
        found = folder.stat()
    except OSError:
        return True  # reading it says why
    known = (found.st_dev, found.st_ino) in seen
    seen.add((found.st_dev, found.st_ino))
    return not known


def _would_block(path: Path) -> bool:
    # Whoever wants a pipe read names it, as in `<(kustomize build)`.
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False  # reading it says why


def _nothing_there(path: Path, origin: Origin | None) -> Diagnostic:
    return Diagnostic(
        "SVC150",
        Severity.ERROR,
        "No manifest there",
        f"There is no manifest at {path}: a file, a folder with files that end in .yaml, .yml or "
        ".json (or .j2 behind it), or a glob that matches something is wanted.",
        origin,
    )


def _source(file: Path, variables: Mapping[str, Any], play: int, found: Manifests) -> Source | None:
    file_shown = shown(file)
    is_template = file.suffix == ".j2"
    name = f"{file_shown}#{play}" if is_template else file_shown
    if name in found.sources:
        return found.sources[name]
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        found.diagnostics.append(_unreadable(not_utf8(error), place_of(error, file_shown)))
        return None
    except OSError as error:
        found.diagnostics.append(_unreadable(f"{error.strerror}.", Location(file_shown)))
        return None
    is_json = file.name.removesuffix(".j2").endswith(".json")
    source = Source(name=name, file=file_shown, text=text, json=is_json)
    if is_template:
        source, diagnostics = render(source, variables)
        found.diagnostics += diagnostics
    found.sources[name] = source
    return source


def _unreadable(reason: str, where: Location) -> Diagnostic:
    detail = f"{where.file} can't be read: {reason}"
    return Diagnostic("SVC150", Severity.ERROR, "No manifest there", detail, where)


def _objects_of(source: Source, found: Manifests) -> list[int]:
    if source.name not in found.read:
        documents, diagnostics = read_documents(source)
        found.diagnostics += diagnostics
        first = len(found.objects)
        for document in documents:
            _collect(document.value, document, (), found)
        found.read[source.name] = list(range(first, len(found.objects)))
    return found.read[source.name]


def _collect(
    value: object, document: Document, path: tuple[str | int, ...], found: Manifests
) -> None:
    if value is None and not path:
        return
    where = Origin(document.source.name, document.number, path)
    if not isinstance(value, dict) or not isinstance(value.get("kind"), str):
        found.diagnostics.append(_no_object(value, where))
        return
    name, version = value["kind"], str(value.get("apiVersion") or "")
    items = value.get("items")
    if name.endswith("List") and (isinstance(items, list) or items is None):
        for number, item in enumerate(items or ()):
            if name != "List" and isinstance(item, dict):
                # Typed lists of the API leave these two out of their items.
                item.setdefault("kind", name.removesuffix("List"))
                item.setdefault("apiVersion", version)
            _collect(item, document, (*path, "items", number), found)
        return
    if name.endswith("List") and isinstance(items, dict):
        found.diagnostics.append(_no_list(where.at("items")))
        return
    kind = KINDS.get(name)
    if kind is None and (meant := _meant(name, version)):
        found.diagnostics.append(_no_kind(name, meant, where.at("kind")))
    elif kind is None or _is_foreign(group_of(version), kind):
        found.skipped[f"{version} {name}".strip()] += 1
    elif version != kind.api_version:
        found.diagnostics.append(_wrong_version(kind, version, where.at("apiVersion")))
    else:
        found.objects.append(RawObject(kind, value, document, path))


def _is_foreign(group: str, kind: Kind) -> bool:
    # Others have kinds of these names, too (Knative's Service); their groups are domains.
    return "." in group and group != group_of(kind.api_version)


def _no_object(value: object, where: Origin) -> Diagnostic:
    if isinstance(value, dict):
        what = "its `kind` is no text" if value.get("kind") else "it has no `kind`"
    else:
        what = f"it is {_TYPES.get(type(value), 'something else')}"
    detail = (
        f"The {'item of the List' if where.path else 'document'} is no Kubernetes object: {what}. "
        "An object is a mapping with `apiVersion`, `kind` and `metadata`. A file of "
        "something else belongs outside of the play's `manifests`."
    )
    return Diagnostic("SVC155", Severity.ERROR, "Not a Kubernetes object", detail, where)


def _no_list(where: Origin) -> Diagnostic:
    detail = "The `items` of a List are a list: begin each with `- `."
    return Diagnostic("SVC155", Severity.ERROR, "Not a Kubernetes object", detail, where)


def _meant(name: str, version: str) -> str:
    """The kind that a name was to be: in another case, or mistyped; empty for one of others."""
    if name.lower() in _LOWER:
        return _LOWER[name.lower()]
    same = [kind.name for kind in KINDS.values() if kind.api_version == version]
    # ServiceCIDR, ServiceAccount and the like are as close as 0.78.
    return next(iter(get_close_matches(name, same, n=1, cutoff=0.85)), "")


def _no_kind(name: str, meant: str, where: Origin) -> Diagnostic:
    detail = f"There is no kind {name!r}; write {meant!r}, as Kubernetes does."
    return Diagnostic("SVC155", Severity.ERROR, "Not a Kubernetes object", detail, where)


def _wrong_version(kind: Kind, version: str, where: Origin) -> Diagnostic:
    detail = (
        f"The apiVersion of {kind.name} is {kind.api_version!r}, and here "
        f"{f'it is {version!r}; convert the manifest' if version else 'it has none; add it'}."
    )
    return Diagnostic("SVC155", Severity.ERROR, "Not a Kubernetes object", detail, where)


def _notices(skipped: Counter[str]) -> list[Diagnostic]:
    return [
        Diagnostic(
            "SVC157",
            Severity.NOTICE,
            "Objects of other kinds are skipped",
            f"{count} object{'s' if count > 1 else ''} of kind {kind} "
            f"{'are' if count > 1 else 'is'} skipped: svcform has no use for them.",
        )
        for kind, count in sorted(skipped.items())
    ]
