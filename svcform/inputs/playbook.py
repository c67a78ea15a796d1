"""A playbook: its plays, checked key by key."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from svcform.diagnostics import Diagnostic, Severity
from svcform.inputs import setting_values as read
from svcform.inputs.connection import KEYWORDS, read_field
from svcform.inputs.marked import MarkedDocument
from svcform.inputs.setting_values import BadValue
from svcform.inputs.settings import nearest

Step = str | int

#: What Ansible has in a play and svcform doesn't (ansible-core 2.19, ``playbook/play.py``).
_ANSIBLES = re.compile(
    r"any_errors_fatal|become_exe|become_flags|check_mode|collections|debugger|diff|"
    r"environment|fact_path|force_handlers|gather_facts|gather_subset|gather_timeout|"
    r"handlers|ignore_errors|ignore_unreachable|import_playbook|include|module_defaults|"
    r"no_log|post_tasks|pre_tasks|roles|run_once|strategy|tags|tasks|throttle|"
    r"timeout|user|validate_argspec|vars_prompt"
)
_ORDERS = ("inventory", "sorted", "reverse_sorted", "reverse_inventory")
_WORKLOAD = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?/[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenPlay:
    """A play as it was written; ``number`` is its place in the playbook.

    ``vars_files`` holds, for each entry, the files of which the first that exists is read.
    ``keywords`` maps fields of Connection to typed values.  ``workloads`` maps ``namespace/name``
    to the texts of its placements.
    """

    number: int
    document: MarkedDocument
    name: str
    hosts: tuple[str, ...]
    absent: bool = False
    serial: tuple[str, ...] = ()
    max_fail_percentage: float | None = None
    order: str = "inventory"
    variables: Mapping[str, Any] = field(default_factory=dict)
    vars_files: tuple[tuple[str, ...], ...] = ()
    manifests: tuple[str, ...] = ()
    workloads: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    keywords: Mapping[str, Any] = field(default_factory=dict)


def read_playbook(document: MarkedDocument) -> tuple[list[WrittenPlay], list[Diagnostic]]:
    """The plays of a playbook, and everything that is wrong in them."""
    problems: list[Diagnostic] = []
    if not isinstance(document.value, list) or not document.value:
        detail = "A playbook is a list of plays: begin each with `- name:` and give it `hosts:`."
        where = document.location()
        return [], [
            Diagnostic("SVC130", Severity.ERROR, "The playbook has no plays", detail, where)
        ]
    plays = [
        play
        for number in range(len(document.value))
        if (play := _read_play(document, number, problems)) is not None
    ]
    return plays, problems


def _read_play(
    document: MarkedDocument, number: int, problems: list[Diagnostic]
) -> WrittenPlay | None:
    data = document.value[number]
    if not isinstance(data, Mapping):
        detail = "Each play of a playbook is a mapping with `hosts:`."
        where = document.location(number)
        problems.append(
            Diagnostic("SVC130", Severity.ERROR, "The playbook has no plays", detail, where)
        )
        return None
    found: dict[str, Any] = {}
    for key, value in data.items():
        if key not in _READERS and key not in KEYWORDS:
            problems.append(_unknown_key(document, number, key))
            continue
        try:
            found[key] = _read_key(key, value)
        except BadValue as error:
            detail = f"`{key}` must be {error}."
            where = document.location(number, key, *error.path)
            problems.append(
                Diagnostic(
                    "SVC133", Severity.ERROR, "A play's key has a wrong value", detail, where
                )
            )
    if "hosts" not in data and "import_playbook" not in data:
        detail = "The play has no `hosts`: say which nodes or groups of the inventory it is for."
        where = document.location(number)
        problems.append(
            Diagnostic("SVC130", Severity.ERROR, "The playbook has no plays", detail, where)
        )
    keywords = {KEYWORDS[key]: found.pop(key) for key in KEYWORDS if key in found}
    fields = {_FIELDS.get(key, key): value for key, value in found.items()}
    fields.setdefault("hosts", ())
    fields.setdefault("name", ", ".join(fields["hosts"]) or f"play {number + 1}")
    return WrittenPlay(number=number, document=document, keywords=keywords, **fields)


def _read_key(key: str, value: object) -> object:
    if isinstance(value, str) and "{{" in value and key not in ("name", "vars"):
        raise BadValue("written out: svcform takes no expressions here, only in variables")
    if key in KEYWORDS:
        return read_field(KEYWORDS[key], value)
    return _READERS[key](value)


def _unknown_key(document: MarkedDocument, number: int, key: object) -> Diagnostic:
    where = document.location(number, str(key), key=True)
    if _ANSIBLES.fullmatch(str(key)):
        detail = (
            f"`{key}` is Ansible's: svcform runs no tasks, it binds hosts to Services. "
            "Keep it in a playbook of Ansible's."
        )
        return Diagnostic("SVC131", Severity.ERROR, "svcform runs no tasks", detail, where)
    meant = nearest(str(key), [*_READERS, *KEYWORDS])
    hint = f" Did you mean `{meant}`?" if meant else " A setting belongs under `vars:`."
    detail = f"A play has no key `{key}`.{hint}"
    return Diagnostic("SVC132", Severity.ERROR, "A play has an unknown key", detail, where)


def _text(value: object) -> str:
    if isinstance(value, str) and value.strip():
        return value
    raise BadValue("text")


def _texts(value: object) -> tuple[str, ...]:
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list) or not items:
        raise BadValue("a text or a list of texts")
    for position, item in enumerate(items):
        if not isinstance(item, str) or not item.strip():
            raise BadValue(f"a list of texts; {item!r} is none", position)
    return tuple(items)


def _possibly_none(value: object) -> tuple[str, ...]:
    return () if value in (None, []) else _texts(value)


def _is_absent(value: object) -> bool:
    if value in ("present", "absent"):
        return value == "absent"
    raise BadValue("`present` or `absent`")


def _serial(value: object) -> tuple[str, ...]:
    items = value if isinstance(value, list) else [value]
    for position, item in enumerate(items):
        plain = isinstance(item, int | str) and not isinstance(item, bool)
        if not plain or not re.fullmatch(r"0*[1-9][0-9]*%?", str(item)):
            raise BadValue(
                "a number of nodes, a percentage like `50%`, or a list of these", position
            )
    if not items:
        raise BadValue("a number of nodes, a percentage like `50%`, or a list of these")
    return tuple(str(item) for item in items)


def _percentage(value: object) -> float:
    try:
        number = float(str(value).removesuffix("%"))
    except ValueError:
        number = -1.0
    if isinstance(value, bool) or not 0 <= number <= 100:
        raise BadValue("a percentage from 0 to 100")
    return number


def _order(value: object) -> str:
    if value == "shuffle":
        raise BadValue(
            "another order: svcform's plans are the same each time, so nothing is shuffled"
        )
    return str(read.choice(*_ORDERS)(value))


def _variables(value: object) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise BadValue("a mapping of variables, one `name: value` a line")
    for name in value:
        if not isinstance(name, str):
            raise BadValue(f"a mapping of variables; the name {name!r} is no text", str(name))
    return value


def _vars_files(value: object) -> tuple[tuple[str, ...], ...]:
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list):
        raise BadValue("a list of files")
    found = []
    for position, item in enumerate(items):
        texts = item if isinstance(item, list) else [item]
        if not texts or not all(isinstance(text, str) and text for text in texts):
            raise BadValue("a list of files", position)
        if any("{{" in text for text in texts):
            raise BadValue("a list of files whose names are written out", position)
        found.append(tuple(texts))
    return tuple(found)


def _workloads(value: object) -> Mapping[str, tuple[str, ...]]:
    if not isinstance(value, Mapping):
        raise BadValue("a mapping like `default/web: [edge-1, edge-2]`")
    found = {}
    for name, placements in value.items():
        if not isinstance(name, str) or not _WORKLOAD.fullmatch(name):
            hint = f"write default/{name} if that is meant" if "/" not in str(name) else ""
            text = f"a mapping of `namespace/name` to places; {name!r} is no such name"
            raise BadValue(f"{text}{'; ' * bool(hint)}{hint}", str(name))
        try:
            found[name] = _texts(placements)
        except BadValue as error:
            raise BadValue(
                f"a mapping whose places are like `[edge-1, 10.244.1.5@edge-1]`; those of {name} "
                "are not",
                name,
                *error.path,
            ) from None
    return found


_READERS: Mapping[str, Callable[[object], object]] = {
    "name": _text,
    "hosts": _texts,
    "state": _is_absent,
    "serial": _serial,
    "max_fail_percentage": _percentage,
    "order": _order,
    "vars": _variables,
    "vars_files": _vars_files,
    "manifests": _possibly_none,
    "workloads": _workloads,
}
_FIELDS = {"state": "absent", "vars": "variables"}
