"""Nodes out of hosts: each chosen host's variables, evaluated and typed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from svcform.diagnostics import Location, Origin, Severity
from svcform.inputs.connection import HONOURED, KEYWORDS, note_ignored, read_connection
from svcform.inputs.connection_defaults import ConnectionDefaults
from svcform.inputs.expressions import Expressions, HostValues, Unusable, Values
from svcform.inputs.groups import ALL, Groups, Layer
from svcform.inputs.playbook import WrittenPlay
from svcform.inputs.settings import (
    NAMES,
    PREFIX,
    Setting,
    SettingsReader,
    make_settings,
    near_miss,
)
from svcform.inputs.variables import Variables, merge
from svcform.inputs.vault import VaultSecret
from svcform.model.node import Node

_NAME = re.compile(r"[^/\s]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenPlay:
    """A play with the hosts that its pattern means, and the layers of its own variables."""

    written: WrittenPlay
    hosts: tuple[str, ...]
    layers: tuple[Layer, ...] = ()


class _Members(Mapping[str, list[str]]):
    """Ansible's ``groups``, counted only when an expression asks."""

    def __init__(self, groups: Groups) -> None:
        self._groups = groups

    def __getitem__(self, name: str) -> list[str]:
        if name not in self._groups.groups:
            raise KeyError(name)
        return self._groups.members(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._groups.groups)

    def __len__(self) -> int:
        return len(self._groups.groups)


@dataclass(slots=True, eq=False, kw_only=True)
class NodeReader:
    """Makes nodes; ``settings`` collects the problems."""

    groups: Groups
    variables: Variables
    playbook: Path
    extra: Sequence[Layer]
    defaults: ConnectionDefaults
    secrets: Sequence[VaultSecret]
    settings: SettingsReader = field(default_factory=SettingsReader)
    expressions: Expressions = field(init=False)
    _noted: set[str] = field(default_factory=set)
    _checked: set[Layer] = field(default_factory=set)
    _said: dict[int, Mapping[str, tuple[object, Location]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.expressions = Expressions(self.secrets)

    def values_of(self, name: str, plays: Sequence[ChosenPlay] = ()) -> Values:
        """A host's variables, those of its plays and of the command line over them."""
        merged = self.variables.of_host(name)
        for layer in (*(layer for play in plays for layer in play.layers), *self.extra):
            merge(merged, layer)
        return Values(merged, self._magic(name), self.expressions)

    def shared_values(self, play: ChosenPlay) -> Values:
        """The variables that are no host's: the group ``all``'s, the play's, the command line's."""
        merged = self.variables.of_all()
        for layer in (*play.layers, *self.extra):
            merge(merged, layer)
        return Values(merged, {"playbook_dir": str(self.playbook.parent)}, self.expressions)

    def _magic(self, name: str) -> Mapping[str, Any]:
        host = self.groups.hosts.get(name)
        source = host.source if host else None
        return {
            "inventory_hostname": name,
            "inventory_hostname_short": name.split(".", maxsplit=1)[0],
            "inventory_file": str(source) if source else None,
            "inventory_dir": str(source.parent) if source else None,
            "playbook_dir": str(self.playbook.parent),
            "group_names": sorted(g for g in self.groups.groups_of(name) if g != ALL),
            "groups": _Members(self.groups),
            "hostvars": HostValues(self.groups.hosts, self._other),
        }

    def _other(self, name: str) -> Values:
        if name not in self.groups.hosts:
            raise KeyError(name)
        return self.values_of(name)

    def read(self, name: str, plays: Sequence[ChosenPlay]) -> tuple[Node, dict[str, Setting]]:
        """The node of a host in its plays, and the settings that were written for it."""
        self._check_name(name)
        values = self.values_of(name, plays)
        trusted = frozenset(layer for play in plays for layer in play.layers) | {*self.extra}
        found = self.settings.read(values, trusted)
        self._check_names(values)
        note_ignored(values, self._noted, self.settings)
        if len(plays) > 1:
            self._check_plays_agree(name, plays)
        keywords = {key: value for play in plays for key, value in play.written.keywords.items()}
        connection = read_connection(name, values, keywords, self.defaults, self.settings)
        host = self.groups.hosts.get(name)
        node = Node(
            name=name,
            connection=connection,
            settings=make_settings(found, name),
            plays=tuple(play.written.number for play in plays),
            absent=any(play.written.absent for play in plays),
            groups=self.groups.groups_of(name),
            origin=host.origin if host else Origin(""),
        )
        return node, found

    def _check_name(self, name: str) -> None:
        if name not in {".", ".."} and _NAME.fullmatch(name) and name.isprintable():
            return
        host = self.groups.hosts.get(name)
        detail = (
            f"{name!r} can't be a node's name: it becomes the name of a folder and a word in a "
            "line, so it may have no `/`, no space and no control character, and not be `.` or "
            "`..`. Rename the host, and put its address into `ansible_host`."
        )
        where = host.document.location(*host.path, key=True) if host else Location("")
        self.settings.report("SVC115", "A node can't have this name", detail, where)

    def _check_names(self, values: Values) -> None:
        for layer in set(values.winners.values()) - self._checked:
            self._checked.add(layer)
            for name in layer.values:
                meant = near_miss(name)
                if meant is None:
                    continue
                detail = f"{name} is no setting of svcform's and is ignored; did you mean {meant}?"
                where = layer.where(name, key=True)
                summary = "A variable is almost a setting"
                self.settings.report("SVC142", summary, detail, where, Severity.WARNING)

    def _check_plays_agree(self, name: str, plays: Sequence[ChosenPlay]) -> None:
        first: dict[str, tuple[object, Location]] = {}
        for play in plays:
            for key, (value, where) in self._said_by(play).items():
                known, place = first.setdefault(key, (value, where))
                if known != value:
                    detail = (
                        f"The node {name} is in two plays that set {key} to different values, here "
                        f"and in {place}. Make them equal, or set it in the inventory."
                    )
                    summary = "Two plays say different things"
                    self.settings.report("SVC143", summary, detail, where)
        if len({play.written.absent for play in plays}) > 1:
            play = next(play for play in plays if play.written.absent)
            detail = (
                f"The node {name} is in this play, which empties it, and in another that does not. "
                "Leave it out of one of them."
            )
            where = play.written.document.location(play.written.number, "state")
            self.settings.report("SVC143", "Two plays say different things", detail, where)

    def _said_by(self, play: ChosenPlay) -> Mapping[str, tuple[object, Location]]:
        if play.written.number not in self._said:
            self._said[play.written.number] = _say(play)
        return self._said[play.written.number]


def _say(play: ChosenPlay) -> dict[str, tuple[object, Location]]:
    said: dict[str, tuple[object, Location]] = {}
    for keyword, connection_field in KEYWORDS.items():
        if connection_field in play.written.keywords:
            where = play.written.document.location(play.written.number, keyword)
            said[keyword] = (play.written.keywords[connection_field], where)
    merged: dict[str, Layer] = {}
    for layer in play.layers:
        merge(merged, layer)
    # The names with the prefix come last, because they win.
    for name in sorted(
        merged.keys() & (NAMES | HONOURED), key=lambda name: name.startswith(PREFIX)
    ):
        layer = merged[name]
        said[name.removeprefix(PREFIX)] = (layer.values[name], layer.where(name))
    return said


def template_variables(values: Values) -> Mapping[str, Any]:
    """What a manifest's template may use: never a secret, nothing of ``ansible_*``.

    What can't be evaluated without a host is left out, too.
    """
    found: dict[str, Any] = {}
    for name in values.winners:
        if name.startswith("ansible_"):
            continue
        try:
            value = values.get(name)
        except Unusable:
            continue
        if value is not None and not value.secret:
            found[name] = value.value
    return MappingProxyType(found)
