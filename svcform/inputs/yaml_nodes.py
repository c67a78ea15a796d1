"""The slow reader of manifests: PyYAML's nodes, turned into values the way Kubernetes does.

It knows where everything stands, and finds what a fast reader can't tell: duplicate keys, scalars
that YAML 1.1 and 1.2 read differently, tags, runaway aliases.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

from svcform.inputs.yaml_limits import refuse_deep
from svcform.inputs.yaml_scalars import is_ambiguous

Path = tuple[str | int, ...]

#: How many values aliases may add to the documents of a text (a "billion laughs" guard).
MAX_REPEATED = 100_000

_PREFIX = "tag:yaml.org,2002:"
_MERGE = _PREFIX + "merge"


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    # libyaml's parser is 8 times faster, where PyYAML was built with it.
    pass


# Timestamps and `=` are plain text in Kubernetes' JSON types, so they are none of ours either.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if tag not in _NOT_OURS]
    for _NOT_OURS in [(_PREFIX + "timestamp", _PREFIX + "value")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong with a node: a code (SVC152 or SVC154), and where (from 0)."""

    code: str
    detail: str
    mark: yaml.Mark


@dataclass(slots=True)
class Reading:
    """One document: its value, the ambiguous scalars in it with their paths, its problems."""

    value: object = None
    ambiguous: list[tuple[Path, str]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def compose(text: str) -> Iterator[yaml.Node]:
    """The nodes of the documents in ``text``; raises yaml.YAMLError for what is not YAML."""
    refuse_deep(text)
    yield from yaml.compose_all(text, Loader=_Loader)


def read_nodes(text: str) -> list[Reading]:
    """Read the documents of ``text``, with all that is to be said about them.

    Raises yaml.YAMLError for what is not YAML at all.
    """
    # Without aliases there can't be more values than characters.
    limit = len(text) + MAX_REPEATED
    return [_Reader(node, limit).reading for node in compose(text)]


class _Reader:
    """Turns the nodes of one document into values, and takes notes."""

    def __init__(self, root: yaml.Node, limit: int) -> None:
        self.reading = Reading()
        self._constructor = yaml.constructor.SafeConstructor()
        self._count = 0
        self._limit = limit
        self._open: set[int] = set()
        self.reading.value = self._value(root, ())

    def _value(self, node: yaml.Node, path: Path) -> object:
        self._count += 1
        if self._count > self._limit:
            if self._count == self._limit + 1:
                self._problem(
                    "SVC154",
                    f"The document's aliases repeat over {MAX_REPEATED:,} values; "
                    "write out what is meant, or use fewer aliases.",
                    node,
                )
            return None
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        if id(node) in self._open:
            self._problem(
                "SVC154",
                "The alias stands inside of the value that it repeats; write the value out.",
                node,
            )
            return None
        self._open.add(id(node))
        made = self._collection(node, path)
        self._open.discard(id(node))
        return made

    def _collection(self, node: yaml.Node, path: Path) -> object:
        if isinstance(node, yaml.SequenceNode):
            self._expect_tag(node, "seq")
            return [self._value(item, (*path, number)) for number, item in enumerate(node.value)]
        assert isinstance(node, yaml.MappingNode)  # noqa: S101 - there are three kinds of nodes
        self._expect_tag(node, "map")
        return self._mapping(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, object]:
        merged: dict[str, object] = {}
        own: dict[str, object] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                merged = {**self._merge(value_node, path), **merged}
                continue
            key = self._key(key_node, path)
            if key is None:
                continue
            if key in own:
                self._problem(
                    "SVC152",
                    f"The key {key!r} is already in this mapping, and one of the two would be "
                    "lost; remove one.",
                    key_node,
                )
            own[key] = self._value(value_node, (*path, key))
        return {**merged, **own}

    def _merge(self, node: yaml.Node, path: Path) -> dict[str, object]:
        if isinstance(node, yaml.MappingNode):
            value = self._value(node, path)
            return value if isinstance(value, dict) else {}
        if isinstance(node, yaml.SequenceNode):
            found: dict[str, object] = {}
            for item in node.value:
                found = {**self._merge(item, path), **found}
            return found
        self._problem(
            "SVC154",
            "The merge key `<<` takes a mapping or a list of mappings, usually an alias; "
            "quote it if it is meant as a name.",
            node,
        )
        return {}

    def _key(self, node: yaml.Node, path: Path) -> str | None:
        if not isinstance(node, yaml.ScalarNode):
            self._problem(
                "SVC154",
                "A key of a mapping is itself a list or a mapping; Kubernetes' objects have only "
                "text there.",
                node,
            )
            return None
        value = self._scalar(node, (*path, node.value))
        if isinstance(value, str):
            return value
        if value is None:
            detail = "A key of the mapping is missing, or null; quote it if it is meant as a text."
            self._problem("SVC154", detail, node)
            return None
        return "true" if value is True else "false" if value is False else str(value)

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> object:
        if not node.style and is_ambiguous(node.value):
            self.reading.ambiguous.append((path, node.value))
        if node.tag == _PREFIX + "str":
            return node.value
        kind = node.tag.removeprefix(_PREFIX)
        make = _SCALARS.get(kind)
        if make is None or not node.tag.startswith(_PREFIX):
            self._unknown_tag(node)
            return node.value
        try:
            return make(self._constructor, node)
        except (ValueError, KeyError, IndexError, yaml.YAMLError):
            self._problem(
                "SVC154",
                f"The value {node.value!r} can't be read as {kind!r}; remove the tag or quote it.",
                node,
            )
            return node.value

    def _expect_tag(self, node: yaml.Node, kind: str) -> None:
        if node.tag != _PREFIX + kind:
            self._unknown_tag(node)

    def _unknown_tag(self, node: yaml.Node) -> None:
        self._problem(
            "SVC154",
            f"The tag {node.tag.replace(_PREFIX, '!!')!r} means nothing in a manifest; remove it.",
            node,
        )

    def _problem(self, code: str, detail: str, node: yaml.Node) -> None:
        self.reading.problems.append(Problem(code, detail, node.start_mark))


_SCALARS = {
    "null": yaml.constructor.SafeConstructor.construct_yaml_null,
    "bool": yaml.constructor.SafeConstructor.construct_yaml_bool,
    "int": yaml.constructor.SafeConstructor.construct_yaml_int,
    "float": yaml.constructor.SafeConstructor.construct_yaml_float,
}
