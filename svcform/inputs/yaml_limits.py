"""How deep YAML may nest and how far its aliases may reach, asked before anything is built.

PyYAML's C reader calls itself once a level: 100,000 brackets in a row overflow the C stack.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import yaml

#: Levels of lists and mappings in each other; what ryaml takes, too.
MAX_DEPTH = 128
#: Values of a small file after its aliases are expanded (a "billion laughs" guard).
MAX_VALUES = 5_000_000

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DEEP_BLOCK = re.compile(r"^[ ?:-]{50}", re.MULTILINE)
_STARTS = (yaml.SequenceStartEvent, yaml.MappingStartEvent)
_ENDS = (yaml.SequenceEndEvent, yaml.MappingEndEvent)


def refuse_deep(text: str) -> None:
    """Raise yaml.MarkedYAMLError where ``text`` nests deeper than MAX_DEPTH, or is no YAML.

    Costs a tenth of reading, and next to nothing where no text of few brackets could be so deep.
    """
    if text.count("[") + text.count("{") < MAX_DEPTH // 4 and not _DEEP_BLOCK.search(text):
        return
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, _STARTS):
            depth += 1
        elif isinstance(event, _ENDS):
            depth -= 1
        if depth > MAX_DEPTH and event.start_mark is not None:
            problem = f"lists and mappings are nested more than {MAX_DEPTH} levels deep"
            raise _refused(problem, event.start_mark.line, event.start_mark.column)


def is_deep(value: object) -> bool:
    """Whether a value (of JSON: no part of it stands in itself) is deeper than MAX_DEPTH."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [part for whole in level for part in _parts(whole)]
    return any(isinstance(part, dict | list) for part in level)


def _parts(whole: object) -> Iterable[object]:
    if isinstance(whole, dict):
        return whole.values()
    return whole if isinstance(whole, list) else ()


def refuse_runaway(root: yaml.Node) -> None:
    """Raise yaml.MarkedYAMLError for an alias inside of itself, or for aliases without end.

    ``root`` is no deeper than :func:`refuse_deep` allows.
    """
    sizes: dict[int, int] = {}
    _count(root, sizes)


def _count(node: yaml.Node, sizes: dict[int, int]) -> int:
    if isinstance(node, yaml.ScalarNode):
        return 1
    known = sizes.get(id(node))
    if known == 0:
        problem = "an alias stands inside of the value that it repeats; write the value out"
        raise _refused(problem, node.start_mark.line, node.start_mark.column)
    if known is None:
        sizes[id(node)] = 0
        parts = node.value
        if isinstance(node, yaml.MappingNode):
            parts = [part for pair in node.value for part in pair]
        known = sizes[id(node)] = 1 + sum(_count(part, sizes) for part in parts)
    if known > MAX_VALUES:
        problem = f"with its aliases expanded it has over {MAX_VALUES:,} values; use fewer aliases"
        raise _refused(problem, node.start_mark.line, node.start_mark.column)
    return known


def marked(error: yaml.YAMLError, text: str) -> yaml.MarkedYAMLError:
    """The error with its place, also for a character that YAML doesn't have (1.1, section 5.1)."""
    if isinstance(error, yaml.MarkedYAMLError):
        return error
    found = yaml.reader.Reader.NON_PRINTABLE.search(text)
    if found is None:
        return yaml.MarkedYAMLError(problem=str(error))
    start = found.start()
    before = text[:start]
    problem = (
        f"the character U+{ord(found[0]):04X} may not stand in YAML; remove it, or write it as "
        "an escape in double quotes"
    )
    return _refused(problem, before.count("\n"), start - before.rfind("\n") - 1)


def _refused(problem: str, line: int, column: int) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(
        problem=problem, problem_mark=yaml.Mark("", 0, line, column, None, 0)
    )


def said(error: yaml.MarkedYAMLError) -> str:
    """What the error says, as one sentence."""
    problem, context = error.problem or "it is not understood", error.context or ""
    parts = (context, problem) if problem.startswith("but ") else (problem, context)
    text = " ".join(" ".join(parts).split())
    return text if text.endswith(".") else f"{text}."
