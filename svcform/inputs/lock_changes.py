"""How a lock file changes over its life: completed, renamed, forgotten, rebuilt."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from svcform.diagnostics import Diagnostic, Location, Severity
from svcform.errors import UsageError
from svcform.inputs.lockfile import LockFile, node_line, service_line
from svcform.inputs.marked_files import shown
from svcform.model.lock import LockEntry
from svcform.model.node import Node
from svcform.model.service import NamespacedName
from svcform.plan.services import ServiceRow

_NAME = re.compile(r"([a-z0-9.-]+)/([a-z0-9.-]+?)(?::([A-Za-z0-9-]+))?")
_FRONTEND = re.compile(r"(ClusterIP|NodePort|LoadBalancer) \[?([0-9a-f.:]*?)\]?:([0-9]+)")


class NodeRecord(NamedTuple):
    """What one node remembers, for :func:`rebuild`."""

    node: str
    project_id: str
    services: tuple[ServiceRow, ...]


def complete(
    lock: LockFile,
    services: Mapping[NamespacedName, LockEntry],
    nodes: Iterable[Node],
    new_id: str,
) -> LockFile:
    """The lock file after a run over ``nodes``.

    An absent node is not added, and stays managed until an apply has emptied it (:func:`forget`).
    ``services`` are the entries of an Allocation.  ``new_id`` is taken only if there is no id yet.
    """
    managed = {*lock.nodes, *(node.name for node in nodes if not node.absent)}
    return replace(
        lock,
        project_id=lock.project_id or new_id,
        nodes=tuple(sorted(managed)),
        services=services,
    )


def missing_lines(before: LockFile, after: LockFile) -> list[str]:
    """The lines that ``after`` has and ``before`` lacks, in the file's order."""
    lines = [] if before.project_id else [f"project: {after.project_id}"]
    lines += [node_line(name) for name in after.nodes if name not in before.nodes]
    lines += [
        service_line(key, entry)
        for key, entry in sorted(after.services.items())
        if before.services.get(key) != entry
    ]
    return lines


def check_locked(before: LockFile, after: LockFile, file: str) -> list[Diagnostic]:
    """An error with the missing lines if the lock file would have to be completed (--locked)."""
    lines = missing_lines(before, after)
    if not lines:
        return []
    detail = (
        "The lock file may not be completed here (--locked, the default where CI is set). Run "
        "`svcform plan` where you write the manifests and commit the file with them, or add:\n"
        + "\n".join(lines)
    )
    where = Location(shown(Path(file)))
    return [Diagnostic("SVC324", Severity.ERROR, "The lock file is not complete", detail, where)]


def vanished_nodes(lock: LockFile, inventory: Collection[str]) -> list[Diagnostic]:
    """Errors for managed nodes that are no longer in the inventory."""
    return [
        Diagnostic(
            "SVC325",
            Severity.ERROR,
            "A managed node is not in the inventory",
            f"{name} is managed, and no longer in the inventory: its Services would stay on it "
            "for ever. Put it back and set `state: absent` on its play first, or, if the machine "
            f"is gone, run `svcform forget {name}`.",
            lock.node_lines.get(name),
        )
        for name in lock.nodes
        if name not in inventory
    ]


def forget(lock: LockFile, node: str) -> LockFile:
    """The lock file without a node; raises UsageError if it isn't managed."""
    if node not in lock.nodes:
        known = ", ".join(lock.nodes) or "none"
        raise UsageError(f"{node} is not a managed node; the lock file has {known}.")
    return replace(lock, nodes=tuple(name for name in lock.nodes if name != node))


def move(lock: LockFile, old: NamespacedName, new: NamespacedName) -> LockFile:
    """The lock file with the values of ``old`` under the name ``new``.

    Raises UsageError if there is nothing to move, or if it would overwrite.
    """
    if old not in lock.services:
        raise UsageError(f"The lock file has nothing of {old}.")
    if new in lock.services:
        raise UsageError(
            f"The lock file already has values of {new}; remove that line first if they may go."
        )
    services = dict(lock.services)
    services[new] = services.pop(old)
    return replace(lock, services=dict(sorted(services.items())))


def rebuild(records: Iterable[NodeRecord]) -> tuple[LockFile, list[Diagnostic]]:
    """A lock file from what the nodes remember, where they agree.

    Values that a manifest gives are in it, too: nodes can't tell, and it does no harm.  Several
    load-balancer addresses of one family are somebody else's: svcform allocates one.
    """
    ordered = sorted(record for record in records if record.project_id)
    projects = {record.project_id: record.node for record in ordered}
    findings = []
    if len(projects) > 1:
        named = ", ".join(f"{node} to {project}" for project, node in sorted(projects.items()))
        findings.append(_disagree(f"The nodes belong to several projects: {named}."))
    values: dict[tuple[NamespacedName, str], tuple[str, str]] = {}
    for record in ordered:
        for row in record.services:
            for key, what, value in _row_values(row):
                known, node = values.setdefault((key, what), (value, record.node))
                if known != value:
                    findings.append(
                        _disagree(
                            f"{key} has the {what} {known} on {node} and {value} on {record.node}."
                        )
                    )
    lock = LockFile(
        project_id=next(iter(projects), ""),
        nodes=tuple(record.node for record in ordered),
        services=_entries({place: value for place, (value, _) in values.items()}),
    )
    return lock, findings


def _row_values(row: ServiceRow) -> list[tuple[NamespacedName, str, str]]:
    name = _NAME.fullmatch(row.name)
    if name is None:
        return []
    key = NamespacedName(name[1], name[2])
    found = [match for text in row.frontends if (match := _FRONTEND.fullmatch(text))]
    port = name[3] or next((match[3] for match in found if match[1] == "ClusterIP"), "")
    values = []
    for match in found:
        if match[1] == "NodePort":
            values.append((key, f"nodePort {port}/{row.protocol}", match[3]))
        elif sum(other[1] == match[1] for other in found) == 1:
            values.append((key, f"{match[1]} {row.family}", match[2]))
    return values


def _entries(values: Mapping[tuple[NamespacedName, str], str]) -> dict[NamespacedName, LockEntry]:
    by_service: dict[NamespacedName, dict[str, str]] = {}
    for (key, what), value in sorted(values.items()):
        by_service.setdefault(key, {})[what] = value
    return {
        key: LockEntry(
            cluster_ips=tuple(v for what, v in parts.items() if what.startswith("ClusterIP")),
            node_ports={
                what.removeprefix("nodePort "): int(value)
                for what, value in parts.items()
                if what.startswith("nodePort")
            },
            load_balancer_ips=tuple(
                v for what, v in parts.items() if what.startswith("LoadBalancer")
            ),
        )
        for key, parts in by_service.items()
    }


def _disagree(what: str) -> Diagnostic:
    return Diagnostic(
        "SVC326",
        Severity.ERROR,
        "The nodes disagree",
        f"{what} Limit the nodes (--limit) to those that are right.",
    )
