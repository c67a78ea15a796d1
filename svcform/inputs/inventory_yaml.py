"""One inventory document into hosts and groups: Ansible's YAML, or ``ansible-inventory --list``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from svcform.diagnostics import Diagnostic, Location, Severity
from svcform.inputs.groups import ALL, Group, Groups, Layer
from svcform.inputs.host_ranges import BadRange, expand
from svcform.inputs.marked import MarkedDocument

Step = str | int
_PRIORITY = "ansible_group_priority"
_SECTIONS = ("vars", "children", "hosts")


def add_document(groups: Groups, document: MarkedDocument, source: Path | None) -> list[Diagnostic]:
    """Add an inventory document's hosts, groups and variables; gives what is wrong in it."""
    data = document.value
    reading = _Reading(groups, document, source)
    if not isinstance(data, Mapping) or not data:
        reading.wrong(
            "The inventory must be a mapping of groups: begin it with `all:` and put `hosts:` "
            "or `children:` below.",
        )
    elif "plugin" in data and not isinstance(data["plugin"], Mapping):
        reading.wrong(
            "This is the configuration of an Ansible inventory plugin, which svcform does not run: "
            "write its result with `ansible-inventory -i FILE --list -y` and use that.",
            "plugin",
        )
    elif _is_list(data):
        _add_list(reading, data)
    else:
        for name, group in data.items():
            _add_group(reading, name, group, (name,), ())
    return reading.problems


@dataclass(slots=True, eq=False)
class _Reading:
    groups: Groups
    document: MarkedDocument
    source: Path | None
    problems: list[Diagnostic] = field(default_factory=list)
    seen: set[tuple[str, int]] = field(default_factory=set)

    def wrong(self, detail: str, *path: Step, key: bool = False) -> None:
        where = self.document.location(*path, key=key)
        self.report("SVC104", "The inventory is not built as Ansible's", detail, where)

    def report(self, code: str, summary: str, detail: str, where: Location) -> None:
        self.problems.append(Diagnostic(code, Severity.ERROR, summary, detail, where))

    def add_variables(self, owner: str, values: Mapping[str, Any], path: tuple[Step, ...]) -> None:
        # Ansible's set_variable looks for a group of that name first.
        target = self.groups.groups.get(owner) or self.groups.hosts[owner]
        if isinstance(target, Group) and _PRIORITY in values:
            self.set_priority(target, values[_PRIORITY], (*path, _PRIORITY))
            values = {name: value for name, value in values.items() if name != _PRIORITY}
        if values:
            target.layers.append(Layer(values, self.document, path))

    def set_priority(self, group: Group, value: object, path: tuple[Step, ...]) -> None:
        try:
            group.priority = int(str(value))
        except ValueError:
            detail = f"{_PRIORITY} of the group {group.name!r} must be a whole number."
            self.wrong(detail, *path)

    def add_child(self, parent: str, child: str, path: tuple[Step, ...]) -> bool:
        if self.groups.add_child(parent, child):
            return True
        self.report(
            "SVC107",
            "Groups contain each other",
            f"The group {child!r} can't be a child of {parent!r}: {parent!r} is inside it already.",
            self.document.location(*path, key=True),
        )
        return False


def _is_list(data: Mapping[str, Any]) -> bool:
    meta = data.get("_meta")
    if isinstance(meta, Mapping) and "hostvars" in meta:
        return True
    return any(
        isinstance(group, list)
        or (
            isinstance(group, Mapping)
            and any(isinstance(group.get(section), list) for section in ("hosts", "children"))
        )
        for group in data.values()
    ) and not any(_has_nested(group) for group in data.values())


def _has_nested(group: object) -> bool:
    return isinstance(group, Mapping) and any(
        isinstance(group.get(section), Mapping) for section in ("hosts", "children")
    )


def _add_group(
    reading: _Reading,
    name: object,
    data: object,
    path: tuple[Step, ...],
    inside: tuple[str, ...],
) -> bool:
    if not isinstance(name, str) or not name:
        reading.wrong(f"The group name {name!r} must be text: put it in quotes.", *path, key=True)
        return False
    if data is not None and not isinstance(data, Mapping):
        reading.wrong(
            f"The group {name!r} must be a mapping with `hosts`, `children` or `vars`.", *path
        )
        return False
    group = reading.groups.add_group(name)
    if inside and not reading.add_child(inside[-1], name, path):
        return False
    # The same mapping again, through a YAML alias: nothing in it is new.
    if data is None or (name, id(data)) in reading.seen:
        return True
    reading.seen.add((name, id(data)))
    for section, content in data.items():
        _add_section(reading, group, section, content, (path, (*inside, name)))
    return True


def _add_section(
    reading: _Reading,
    group: Group,
    section: object,
    content: object,
    place: tuple[tuple[Step, ...], tuple[str, ...]],
) -> None:
    path, inside = place
    if section not in _SECTIONS:
        detail = (
            f"The group {group.name!r} has the key {section!r}; Ansible knows only `vars`, "
            "`children` and `hosts` there, and skips it."
        )
        where = reading.document.location(*path, str(section), key=True)
        reading.problems.append(
            Diagnostic(
                "SVC105", Severity.WARNING, "A group has a key that means nothing", detail, where
            )
        )
        return
    path = (*path, str(section))
    content = {content: None} if isinstance(content, str) else content
    if content is None:
        return
    if not isinstance(content, Mapping):
        detail = f"`{section}` of the group {group.name!r} must be a mapping: one `name:` a line."
        reading.wrong(detail, *path)
    elif section == "vars":
        reading.add_variables(group.name, _checked_names(reading, content, path), path)
    elif section == "children":
        for name, data in content.items():
            _add_group(reading, name, data, (*path, name), inside)
    else:
        for name, data in content.items():
            _add_hosts(reading, group.name, name, data, (*path, name))


def _checked_names(
    reading: _Reading, values: Mapping[Any, Any], path: tuple[Step, ...]
) -> Mapping[str, Any]:
    if all(isinstance(name, str) for name in values):
        return values
    for name in values:
        if not isinstance(name, str):
            reading.wrong(f"The variable name {name!r} must be text: put it in quotes.", *path)
    return {name: value for name, value in values.items() if isinstance(name, str)}


def _add_hosts(
    reading: _Reading, group: str, pattern: object, data: object, path: tuple[Step, ...]
) -> None:
    if not isinstance(pattern, str) or not pattern:
        reading.wrong(f"The host name {pattern!r} must be text: put it in quotes.", *path, key=True)
        return
    if data is not None and not isinstance(data, Mapping):
        detail = f"The variables of {pattern!r} must be a mapping, like `{{ansible_host: ...}}`."
        reading.wrong(detail, *path)
        return
    try:
        names, port = expand(pattern)
    except BadRange as error:
        where = reading.document.location(*path, key=True)
        reading.report("SVC106", "A host range can't be expanded", str(error), where)
        return
    values = _checked_names(reading, data, path) if data else {}
    place = (reading.document, path, reading.source)
    for name in names:
        if port is not None and name not in reading.groups.hosts:
            host = reading.groups.add_host(name, group, place)
            host.layers.append(Layer({"ansible_port": port}, reading.document, path))
        else:
            reading.groups.add_host(name, group, place)
        reading.add_variables(name, values, path)


def _add_list(reading: _Reading, data: Mapping[str, Any]) -> None:
    # The order of ansible-core's script plugin: groups first, then `_meta`.
    for name, group in data.items():
        if name != "_meta":
            reading.groups.add_group(name)
            _add_listed_group(reading, name, group)
    meta = data.get("_meta")
    variables = meta.get("hostvars") if isinstance(meta, Mapping) else None
    for name, values in variables.items() if isinstance(variables, Mapping) else ():
        path: tuple[Step, ...] = ("_meta", "hostvars", name)
        if not isinstance(values, Mapping):
            reading.wrong(f"The variables of {name!r} must be a mapping.", *path)
            continue
        if name not in reading.groups.hosts:
            reading.groups.add_host(name, ALL, (reading.document, path, reading.source))
        reading.add_variables(name, values, path)


def _add_listed_group(reading: _Reading, name: str, data: object) -> None:
    # A bare list is the group's hosts, in the oldest form that Ansible still reads.
    group = {"hosts": data} if isinstance(data, list) else data
    if not isinstance(group, Mapping):
        reading.wrong(f"The group {name!r} must be a mapping or a list of hosts.", name)
        return
    for position, host in enumerate(_texts(reading, group.get("hosts"), (name, "hosts"))):
        place = (reading.document, (name, "hosts", position), reading.source)
        reading.groups.add_host(host, name, place)
    for position, child in enumerate(_texts(reading, group.get("children"), (name, "children"))):
        reading.groups.add_group(child)
        reading.add_child(name, child, (name, "children", position))
    values = group.get("vars")
    if isinstance(values, Mapping):
        reading.add_variables(name, values, (name, "vars"))


def _texts(reading: _Reading, value: object, path: tuple[Step, ...]) -> list[str]:
    if value is None:
        return []
    if isinstance(value, list) and all(isinstance(item, str) and item for item in value):
        return value
    reading.wrong(f"`{'.'.join(str(step) for step in path)}` must be a list of names.", *path)
    return []
