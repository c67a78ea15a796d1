"""Small YAML and JSON files with the place of every value: inventories, variables, playbooks.

Plain scalars are read as YAML 1.1, because Ansible reads them so (PyYAML): ``yes`` is a boolean.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from svcform.diagnostics import Diagnostic, Location, Origin, Severity
from svcform.inputs.vault import VaultText
from svcform.inputs.yaml_limits import is_deep, marked, refuse_deep, refuse_runaway, said

Path = Sequence[str | int]
_Index = dict[int, dict[str, tuple[yaml.Node, yaml.Node]]]


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    # libyaml's parser is 8 times faster, where PyYAML was built with it.

    def __init__(self, text: str, file: str) -> None:
        super().__init__(text)
        self.file = file
        self.duplicates: list[Diagnostic] = []
        self._checked: set[int] = set()

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        if id(node) not in self._checked:
            self._checked.add(id(node))
            self._find_duplicates(node)
        super().flatten_mapping(node)

    def _find_duplicates(self, node: yaml.MappingNode) -> None:
        seen: dict[tuple[str, str], yaml.Mark] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            first = seen.setdefault((key.tag, key.value), key.start_mark)
            if first is not key.start_mark:
                self.duplicates.append(
                    Diagnostic(
                        "SVC102",
                        Severity.ERROR,
                        "A key is there twice",
                        f"The key {key.value!r} already stands in line {first.line + 1}; "
                        "one of the two would be lost. Remove one.",
                        _location(self.file, key.start_mark),
                    )
                )


def _vault(loader: _Loader, node: yaml.ScalarNode) -> VaultText:
    return VaultText(str(loader.construct_scalar(node)))


def _plain(loader: _Loader, node: yaml.Node) -> object:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node)


_Loader.add_constructor("!vault", _vault)
_Loader.add_constructor("!vault-encrypted", _vault)
_Loader.add_constructor("!unsafe", _plain)


@dataclass(slots=True, kw_only=True, eq=False)
class MarkedDocument:
    """A file's single document: its plain ``value``, and where each part of it stands.

    ``text`` is kept so that a JSON file is composed with marks only if somebody asks for a place.
    """

    file: str
    value: Any
    text: str = field(default="", repr=False)
    root: yaml.Node | None = field(default=None, repr=False)
    _index: _Index = field(default_factory=dict, repr=False, compare=False)

    def origin(self, *path: str | int) -> Origin:
        """The origin of the value at ``path``."""
        return Origin(self.file, 0, path)

    def location(self, *path: str | int, key: bool = False) -> Location:
        """Where the value at ``path`` stands, or with ``key`` its key.

        For a path that is not there, the nearest value around it.
        """
        if self.root is None and self.text:
            try:
                self.root = yaml.compose(self.text, Loader=yaml.SafeLoader)
            except yaml.YAMLError:
                self.text = ""
        return locate(self.file, self.root, path, self._index, key=key)


def locate(
    file: str,
    node: yaml.Node | None,
    path: Path,
    index: _Index | None = None,
    *,
    key: bool = False,
) -> Location:
    """Where in the composed document ``node`` the value at ``path`` stands (or its key).

    ``index`` is the document's own; it makes the second search in a large mapping quick.
    """
    if node is None:
        return Location(file)
    here = node
    index = {} if index is None else index
    for number, step in enumerate(path):
        found = _child(here, step, index)
        if found is None:
            break
        key_node, value_node = found
        last = number == len(path) - 1
        here = key_node if key and last and key_node is not None else value_node
    return _location(file, here.start_mark)


def read_marked(text: str, file: str) -> tuple[MarkedDocument | None, list[Diagnostic]]:
    """Read one document; no document (an empty file) has the value None.

    Gives None and errors where the text is not YAML, has a second document, or a tag that nobody
    knows; a duplicate key is an error beside the document.
    """
    if text.lstrip()[:1] == "{":
        quick = _read_json(text, file)
        if quick is not None:
            return quick, []
    try:
        return _read_yaml(text, file)
    except yaml.YAMLError as error:
        return None, [_syntax_error(marked(error, text), file)]
    except ValueError as error:
        detail = f"The file can't be read as YAML: {error}."
        return None, [_problem(detail, Location(file))]


def _read_yaml(text: str, file: str) -> tuple[MarkedDocument, list[Diagnostic]]:
    refuse_deep(text)
    loader = _Loader(text, file)
    try:
        root = loader.get_single_node()
        if "*" in text and root is not None:
            refuse_runaway(root)
        value = None if root is None else loader.construct_document(root)
    finally:
        loader.dispose()
    return MarkedDocument(file=file, value=value, root=root), loader.duplicates


def _read_json(text: str, file: str) -> MarkedDocument | None:
    # JSON that is not plain (comments, duplicate keys, a syntax error) takes the slow path, which
    # knows the places.
    try:
        value = json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        return None
    return None if is_deep(value) else MarkedDocument(file=file, value=value, text=text)


def _unique(pairs: list[tuple[str, Any]]) -> object:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("duplicate key")
    if "__ansible_vault" in made:
        return VaultText(str(made["__ansible_vault"]))
    if "__ansible_unsafe" in made:
        return made["__ansible_unsafe"]
    return made


def _child(
    node: yaml.Node, step: str | int, index: _Index
) -> tuple[yaml.Node | None, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        if id(node) not in index:
            # Values merged by `<<` stand in front of the mapping's own, which win.
            index[id(node)] = {
                key.value: (key, value)
                for key, value in node.value
                if isinstance(key, yaml.ScalarNode)
            }
        return index[id(node)].get(str(step))
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return None, node.value[step]
    return None


def _location(file: str, mark: yaml.Mark) -> Location:
    return Location(file, mark.line + 1, mark.column + 1)


def _problem(detail: str, where: Location) -> Diagnostic:
    return Diagnostic("SVC101", Severity.ERROR, "The file is not valid YAML", detail, where)


def _syntax_error(error: yaml.MarkedYAMLError, file: str) -> Diagnostic:
    mark = error.problem_mark or error.context_mark
    where = _location(file, mark) if mark else Location(file)
    return _problem(f"The file can't be read as YAML: {said(error)}", where)
