"""A project: its inventory and its playbook, read and checked together."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from svcform.diagnostics import Diagnostic, Location, Origin, Severity, errors
from svcform.inputs.address_ranges import check_overlaps, unite
from svcform.inputs.connection_defaults import ConnectionDefaults
from svcform.inputs.downloads import Downloads
from svcform.inputs.extra_vars import read_extra_vars
from svcform.inputs.groups import ALL, Layer
from svcform.inputs.inventory import folder_of, read_inventory
from svcform.inputs.marked_files import read_file, shown
from svcform.inputs.nodes import ChosenPlay, NodeReader, template_variables
from svcform.inputs.overrides import read_templates
from svcform.inputs.patterns import BadPattern, Patterns, read_limit
from svcform.inputs.placements import Placement, read_placements
from svcform.inputs.playbook import WrittenPlay, read_playbook
from svcform.inputs.variables import Variables
from svcform.inputs.vault import read_secrets
from svcform.inputs.zones import check_zones
from svcform.model.node import Node, Play
from svcform.model.service import NamespacedName
from svcform.model.settings import Settings
from svcform.model.template import Template

__all__ = [
    "ConnectionDefaults",
    "Placement",
    "PlayInputs",
    "ProjectInputs",
    "ProjectRequest",
    "inventory_sources",
    "playbook_path",
    "read_project",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectRequest:
    """What the command line says about the project.

    Without ``inventories`` the project's ``inventory.yml`` (or ``inventory.yaml``,
    ``inventory.json``, ``inventory/``) is read; without ``playbook``, ``playbooks/site.yml``.
    Relative paths are relative to the current folder.
    ``extra_vars`` are the arguments of ``-e`` as they were written.
    """

    project: Path
    inventories: tuple[str, ...] = ()
    playbook: str | None = None
    extra_vars: tuple[str, ...] = ()
    limit: str | None = None
    vault_password_files: tuple[str, ...] = ()
    connection_defaults: ConnectionDefaults = field(default_factory=ConnectionDefaults)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayInputs:
    """A play, and what has to be read for it.

    ``manifest_paths`` are absolute; a path may name a file, a folder, or be a glob that is not yet
    expanded; ``manifest_origins`` says where each was written.
    ``template_variables`` are those that a ``.j2`` manifest may use: the play's and ``all``'s.
    """

    play: Play
    manifest_paths: tuple[Path, ...] = ()
    manifest_origins: tuple[Origin, ...] = ()
    template_variables: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    workloads: Mapping[NamespacedName, tuple[Placement, ...]] = field(
        default_factory=lambda: MappingProxyType({})
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectInputs:
    """Inventory and playbook, resolved.

    ``inventory_dir`` is where the lock file and ``known_hosts`` lie: the folder of the first
    inventory.  ``nodes`` are those that a play chose and ``--limit`` left, in the plays' order;
    ``all_node_names`` is every host of the inventory; ``play_nodes`` are all that a play chose,
    whatever ``--limit`` says: endpoints may lie on a node that this run leaves alone.
    ``settings`` holds what is one for the whole project (service_cidrs, node_port_range,
    load_balancer_pools, cluster_domain); the rest of it are defaults.
    """

    root: Path
    playbook_path: Path
    inventory_dir: Path
    nodes: tuple[Node, ...] = ()
    all_node_names: tuple[str, ...] = ()
    play_nodes: tuple[Node, ...] = ()
    plays: tuple[PlayInputs, ...] = ()
    settings: Settings = field(default_factory=Settings)


def read_project(request: ProjectRequest) -> tuple[ProjectInputs | None, list[Diagnostic]]:
    """Read inventory and playbook; None where there is an error.

    All findings are given together, sorted by place, each with its Location.
    """
    inputs, found = read_project_anyway(request)
    return (None if errors(found) else inputs), found


def read_project_anyway(request: ProjectRequest) -> tuple[ProjectInputs, list[Diagnostic]]:
    """As :func:`read_project`, but with what could be read beside the errors.

    So the manifests can be checked in the same run; nothing else may be made of it.
    """
    return _Reading(request).read()


def inventory_sources(request: ProjectRequest) -> tuple[str, ...]:
    """What ``-i`` names, or the inventory of the project; empty where there is none."""
    if request.inventories:
        return request.inventories
    names = ("inventory.yml", "inventory.yaml", "inventory.json", "inventory")
    found = (request.project / name for name in names)
    return tuple(str(path) for path in found if path.exists())[:1]


class _Reading:
    """One reading of a project: each step adds its findings."""

    def __init__(self, request: ProjectRequest) -> None:
        self.request = request
        self.secrets, self.problems = read_secrets(request.vault_password_files)
        self.sources = inventory_sources(request)
        self.playbook = playbook_path(request)
        self.inventory, found = read_inventory(self.sources, self.secrets)
        self.problems += found
        self.variables = Variables(self.inventory, self.playbook.parent, self.secrets)
        self.extra, found = read_extra_vars(request.extra_vars, self.secrets)
        self.problems += found
        self.nodes = NodeReader(
            groups=self.inventory.groups,
            variables=self.variables,
            playbook=self.playbook,
            extra=self.extra,
            defaults=request.connection_defaults,
            secrets=self.secrets,
        )

    def read(self) -> tuple[ProjectInputs, list[Diagnostic]]:
        if not self.sources:
            self._report_missing_inventory()
        plays = self._choose(self._read_plays())
        chosen, settings = self._read_nodes(plays)
        names = self._limited([node.name for node in chosen])
        inputs = ProjectInputs(
            root=self.request.project.absolute(),
            playbook_path=self.playbook,
            inventory_dir=self._inventory_dir(),
            nodes=tuple(node for node in chosen if node.name in names),
            play_nodes=tuple(chosen),
            all_node_names=tuple(self.inventory.groups.hosts),
            plays=tuple(self._inputs_of(play) for play in plays),
            settings=settings,
        )
        found = [*self.problems, *self.variables.problems, *self.nodes.settings.problems.values()]
        found.sort(key=_sort_key)
        return inputs, found

    def _report_missing_inventory(self) -> None:
        detail = (
            f"There is no inventory.yml in {shown(self.request.project)}: name one with -i, or "
            "make a project with `svcform init`."
        )
        where = Location(shown(self.request.project))
        self.problems.append(
            Diagnostic("SVC100", Severity.ERROR, "A file can't be read", detail, where)
        )

    def _inventory_dir(self) -> Path:
        if not self.sources:
            return self.request.project.absolute()
        return folder_of(self.sources[0])

    def _read_plays(self) -> list[WrittenPlay]:
        document, found = read_file(self.playbook, self.secrets)
        self.problems += found
        if document is None:
            return []
        plays, found = read_playbook(document)
        self.problems += found
        return plays

    def _choose(self, written: Sequence[WrittenPlay]) -> list[ChosenPlay]:
        patterns = Patterns(self.inventory.groups)
        chosen = []
        for play in written:
            hosts: list[str] = []
            where = play.document.location(play.number, "hosts")
            try:
                hosts = patterns.match(play.hosts) if play.hosts else []
            except BadPattern as error:
                self._report("SVC120", "A host pattern is not valid", str(error), where)
            for pattern in dict.fromkeys(patterns.unmatched):
                if pattern == ALL and errors(self.problems):
                    continue  # an inventory that can't be read has no hosts, too
                detail = f"No host and no group of the inventory matches {pattern!r}."
                summary = "A host pattern matches nothing"
                self._report("SVC121", summary, detail, where, Severity.WARNING)
            patterns.unmatched.clear()
            layers = self._layers(play)
            chosen.append(
                ChosenPlay(written=play, hosts=_in_order(hosts, play.order), layers=layers)
            )
        return chosen

    def _layers(self, play: WrittenPlay) -> tuple[Layer, ...]:
        layers = []
        if play.variables:
            layers.append(Layer(play.variables, play.document, (play.number, "vars")))
        for position, names in enumerate(play.vars_files):
            path = self._vars_file(names)
            if path is None:
                detail = f"The file {' or '.join(names)} is not there; it is looked for beside the "
                detail += "playbook and in its folder vars/."
                where = play.document.location(play.number, "vars_files", position)
                self._report("SVC135", "A file of variables is missing", detail, where)
            elif layer := self.variables.read(path):
                layers.append(layer)
        return tuple(layers)

    def _vars_file(self, names: Sequence[str]) -> Path | None:
        folder = self.playbook.parent
        for name in names:
            for base in (folder / "vars", folder):
                path = base / Path(name).expanduser()
                if path.is_file():
                    return path
        return None

    def _read_nodes(self, plays: Sequence[ChosenPlay]) -> tuple[list[Node], Settings]:
        of_host: dict[str, list[ChosenPlay]] = {}
        for play in plays:
            for name in play.hosts:
                of_host.setdefault(name, []).append(play)
        read = [self.nodes.read(name, its) for name, its in of_host.items()]
        written = [settings for _, settings in read]
        # A play without hosts still says what the project's addresses are.
        written += [
            self.nodes.settings.read(self.nodes.shared_values(play), frozenset(play.layers))
            for play in plays
            if not play.hosts
        ]
        problems = self.nodes.settings
        shared = unite(written, problems)
        check_overlaps(written, problems)
        check_zones(written, shared, problems)
        nodes = [replace(node, settings=replace(node.settings, **shared)) for node, _ in read]
        downloads = Downloads(self.request.project)
        for place, (_, settings) in enumerate(read):
            if binary := settings.get("coredns_binary"):
                kept = downloads.fill(nodes[place].settings, binary.where)
                nodes[place] = replace(nodes[place], settings=kept)
        templates, found = read_templates(self.request.project)
        self.problems += [*downloads.problems, *found]
        if templates:
            nodes = [_with_templates(node, templates) for node in nodes]
        return nodes, Settings(**shared)

    def _limited(self, names: list[str]) -> set[str]:
        limit = self.request.limit
        if limit is None:
            return set(names)
        patterns = Patterns(self.inventory.groups)
        where = Location("--limit")
        left: set[str] = set()
        try:
            left = set(names) & set(patterns.match(read_limit(limit)))
        except BadPattern as error:
            self._report("SVC120", "A host pattern is not valid", str(error), where)
            return left
        for pattern in dict.fromkeys(patterns.unmatched):
            detail = f"No host and no group of the inventory matches {pattern!r}."
            self._report(
                "SVC121", "A host pattern matches nothing", detail, where, Severity.WARNING
            )
        if names and not left:
            detail = "--limit leaves none of the nodes that the plays choose."
            self._report("SVC122", "--limit leaves no node", detail, where)
        return left

    def _inputs_of(self, play: ChosenPlay) -> PlayInputs:
        written = play.written
        workloads, found = read_placements(written, self.inventory.groups.hosts)
        self.problems += found
        folder = self.playbook.parent
        document = written.document
        return PlayInputs(
            play=Play(
                name=written.name,
                nodes=play.hosts,
                serial=written.serial,
                max_fail_percentage=written.max_fail_percentage,
                order=written.order,
                absent=written.absent,
                origin=document.origin(written.number),
            ),
            manifest_paths=tuple(_resolved(folder, text) for text in written.manifests),
            manifest_origins=tuple(
                document.origin(written.number, "manifests", position)
                for position in range(len(written.manifests))
            ),
            template_variables=template_variables(self.nodes.shared_values(play)),
            workloads=workloads,
        )

    def _report(
        self,
        code: str,
        summary: str,
        detail: str,
        where: Location,
        severity: Severity = Severity.ERROR,
    ) -> None:
        self.problems.append(Diagnostic(code, severity, summary, detail, where))


def playbook_path(request: ProjectRequest) -> Path:
    """The playbook that the command line names, or the project's."""
    if request.playbook is not None:
        return Path(request.playbook).expanduser().absolute()
    folder = request.project.absolute() / "playbooks"
    other = folder / "site.yaml"
    return other if other.exists() and not (folder / "site.yml").exists() else folder / "site.yml"


def _sort_key(found: Diagnostic) -> tuple[Location, str, str]:
    where = found.where if isinstance(found.where, Location) else Location("")
    return where, found.code, found.detail


def _resolved(folder: Path, text: str) -> Path:
    # Not Path.resolve: a link stays what the user wrote, and `*` is no file yet.
    return Path(os.path.normpath(folder / Path(text).expanduser()))


def _in_order(hosts: Sequence[str], order: str) -> tuple[str, ...]:
    if order in ("sorted", "reverse_sorted"):
        return tuple(sorted(hosts, reverse=order == "reverse_sorted"))
    return tuple(reversed(hosts)) if order == "reverse_inventory" else tuple(hosts)


def _with_templates(node: Node, templates: Mapping[str, Template]) -> Node:
    return replace(node, settings=replace(node.settings, templates=templates))
