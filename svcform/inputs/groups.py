"""The hosts and groups of an inventory, with Ansible's rules about who belongs where.

Those of ansible-core 2.19, ``inventory/data.py`` and ``inventory/group.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from svcform.diagnostics import Diagnostic, Location, Origin, Severity
from svcform.inputs.marked import MarkedDocument

ALL = "all"
UNGROUPED = "ungrouped"
LOCALHOST = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """Variables that were written in one place: ``values`` stand at ``path`` in ``document``."""

    values: Mapping[str, Any]
    document: MarkedDocument
    path: tuple[str | int, ...] = ()

    def where(self, *inside: str | int, key: bool = False) -> Location:
        """Where the value at ``inside`` (a name and more) stands."""
        return self.document.location(*self.path, *inside, key=key)


#: Where a host is named: the document, the path in it, and the inventory's file if it is one.
Place = tuple[MarkedDocument, tuple[str | int, ...], Path | None]


@dataclass(slots=True, eq=False)
class Group:
    """A group while the inventory is read; what it holds keeps its order."""

    name: str
    hosts: dict[str, None] = field(default_factory=dict)
    children: dict[str, None] = field(default_factory=dict)
    parents: dict[str, None] = field(default_factory=dict)
    layers: list[Layer] = field(default_factory=list)
    priority: int = 1
    depth: int = 0


@dataclass(slots=True, eq=False)
class Host:
    """A host while the inventory is read, first named at ``path`` in ``document``.

    ``groups`` are those that name it themselves.
    """

    name: str
    document: MarkedDocument
    path: tuple[str | int, ...] = ()
    source: Path | None = None
    groups: dict[str, None] = field(default_factory=dict)
    layers: list[Layer] = field(default_factory=list)

    @property
    def origin(self) -> Origin:
        """Where the inventory first names the host."""
        return self.document.origin(*self.path)


class Groups:
    """All hosts and groups; changed while sources are read, then closed by :meth:`close`."""

    def __init__(self) -> None:
        self.hosts: dict[str, Host] = {}
        self.groups: dict[str, Group] = {ALL: Group(ALL), UNGROUPED: Group(UNGROUPED)}
        self._groups_of: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._members: dict[str, list[str]] = {}
        self.add_child(ALL, UNGROUPED)

    def add_group(self, name: str) -> Group:
        """The group, made if it is new."""
        return self.groups.setdefault(name, Group(name))

    def add_host(self, name: str, group: str, place: Place) -> Host:
        """The host, made if it is new, as a member of ``group``."""
        host = self.hosts.get(name)
        if host is None:
            host = self.hosts[name] = Host(name, *place)
        self.groups[group].hosts[name] = None
        host.groups[group] = None
        return host

    def add_child(self, parent: str, child: str) -> bool:
        """Put a group into another; False where that would make a loop."""
        if parent == child or child in self.ancestors(parent):
            return False
        self.groups[parent].children[child] = None
        self.groups[child].parents[parent] = None
        return True

    def ancestors(self, name: str) -> set[str]:
        """The names of all groups that the group is in, directly or not."""
        found: set[str] = set()
        todo = [name]
        while todo:
            for parent in self.groups[todo.pop()].parents:
                if parent not in found:
                    found.add(parent)
                    todo.append(parent)
        return found

    def close(self) -> list[Diagnostic]:
        """Apply Ansible's rules about ``all`` and ``ungrouped``, and compute the depths.

        Reports names that are both a host and a group.
        """
        problems = self._close_groups()
        for host in self.hosts.values():
            grouped = [name for name in host.groups if name not in (ALL, UNGROUPED)]
            if grouped and UNGROUPED in host.groups:
                del host.groups[UNGROUPED]
                del self.groups[UNGROUPED].hosts[host.name]
            elif not grouped:
                self.groups[UNGROUPED].hosts[host.name] = None
                host.groups[UNGROUPED] = None
        self._compute_depths()
        for name in self.groups.keys() & self.hosts.keys():
            problems.append(_same_name(name, self.hosts[name]))
        return problems

    def _close_groups(self) -> list[Diagnostic]:
        problems = []
        for group in list(self.groups.values()):
            if group.name == ALL or group.parents or self.add_child(ALL, group.name):
                continue
            detail = f"The group {ALL!r} can't be a child of {group.name!r}: it holds every group."
            problems.append(
                Diagnostic("SVC107", Severity.ERROR, "Groups contain each other", detail)
            )
        return problems

    def _compute_depths(self) -> None:
        # The longest way from `all`, as Ansible has it; each group after all of its parents.
        waiting = {name: len(group.parents) for name, group in self.groups.items()}
        ready = [name for name, parents in waiting.items() if not parents]
        while ready:
            group = self.groups[ready.pop()]
            for name in group.children:
                child = self.groups[name]
                child.depth = max(child.depth, group.depth + 1)
                waiting[name] -= 1
                if not waiting[name]:
                    ready.append(name)

    def groups_of(self, host: str) -> tuple[str, ...]:
        """The groups that a host is in, in the order in which their variables are merged.

        Parents first by depth, then ``ansible_group_priority``, then name.
        A host that is not in the inventory (the implicit localhost) is in none.
        """
        if host not in self.hosts:
            return ()
        direct = tuple(self.hosts[host].groups)
        found = self._groups_of.get(direct)
        if found is None:
            names = set(direct).union(*(self.ancestors(name) for name in direct))
            found = self._groups_of[direct] = tuple(sorted(names, key=self._order))
        return found

    def _order(self, name: str) -> tuple[int, int, str]:
        group = self.groups[name]
        return group.depth, group.priority, name

    def members(self, group: str) -> list[str]:
        """The hosts of a group and of all groups inside it, nearest groups first, each once."""
        found = self._members.get(group)
        if found is None:
            hosts: dict[str, None] = {}
            for name in self._inside(group):
                hosts.update(self.groups[name].hosts)
            found = self._members[group] = list(hosts)
        return found

    def _inside(self, group: str) -> Iterator[str]:
        seen = {group}
        level = [group]
        while level:
            yield from level
            inner = (child for name in level for child in self.groups[name].children)
            level = [name for name in dict.fromkeys(inner) if name not in seen]
            seen.update(level)


def _same_name(name: str, host: Host) -> Diagnostic:
    detail = (
        f"{name!r} is both a host and a group; Ansible gives such a host's variables to the group. "
        "Rename one of them."
    )
    return Diagnostic(
        "SVC108",
        Severity.WARNING,
        "A host and a group have the same name",
        detail,
        host.document.location(*host.path, key=True),
    )
