"""The whole input of one run: files in, a frozen workspace or findings out."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TypedDict

from svcform.diagnostics import Diagnostic, errors
from svcform.inputs import lock_changes, lockfile
from svcform.inputs.cluster import Cluster, resolve_services, without_duplicates
from svcform.inputs.connection_defaults import ConnectionDefaults
from svcform.inputs.endpoints import resolve_endpoints
from svcform.inputs.frontend_checks import check_frontends
from svcform.inputs.kinds import DAEMON_SET, SERVICE
from svcform.inputs.locate import locate
from svcform.inputs.lockfile import LockFile
from svcform.inputs.manifests import ManifestPaths, Manifests, RawObject, read_manifests
from svcform.inputs.names import namespaces_of, pod_addresses
from svcform.inputs.project import ProjectInputs, ProjectRequest, read_project_anyway
from svcform.inputs.services import key_of
from svcform.inputs.validate import Validation, validate
from svcform.inputs.workloads import Placements, unite_placements
from svcform.model.node import Node
from svcform.model.service import NamespacedName
from svcform.model.workspace import PodAddress, Workspace
from svcform.policy.allocate import Allocation, Ranges, allocate
from svcform.policy.dns_lints import lint


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadRequest:
    """What the command line says about the input.

    The first fields are those of :class:`svcform.inputs.project.ProjectRequest`.
    ``validate`` is kubectl's: what an unknown field of a manifest is.  With ``locked`` a lock file
    that would have to be completed is an error; ``allow_renumber`` lets a live address change.
    """

    project: Path
    inventories: tuple[str, ...] = ()
    playbook: str | None = None
    extra_vars: tuple[str, ...] = ()
    limit: str | None = None
    vault_password_files: tuple[str, ...] = ()
    connection_defaults: ConnectionDefaults = field(default_factory=ConnectionDefaults)
    validate: Validation = "strict"
    locked: bool = False
    allow_renumber: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What was read: ``workspace`` is None if and only if there is an error.

    ``diagnostics`` are sorted by place, and each has a resolved Location (or none at all).
    ``lock`` is the lock file after completion, None where the input is too broken to tell;
    ``lock_text`` is what has to be written to ``lock_path``, None if nothing changed.
    ``play_nodes`` are the nodes of all plays, whatever ``--limit`` says.
    """

    workspace: Workspace | None
    diagnostics: tuple[Diagnostic, ...]
    lock: LockFile | None
    lock_text: bytes | None
    lock_path: Path
    play_nodes: tuple[Node, ...] = ()


@dataclass(slots=True)
class _Run:
    """One run's values on their way, and all that was found out."""

    request: LoadRequest
    project: ProjectInputs
    diagnostics: list[Diagnostic]
    manifests: Manifests = field(default_factory=Manifests)
    objects: list[RawObject | None] = field(default_factory=list)
    cluster: Cluster = field(default_factory=Cluster)


def load(request: LoadRequest, on_project: Callable[[ProjectInputs], None] | None = None) -> Loaded:
    """Read, check and resolve the whole input; every mistake is in ``diagnostics``.

    ``on_project`` is told the inventory and the playbook once they are read and have no error,
    before the manifests are: nodes can be asked meanwhile.  Nothing is written.
    Raises :class:`~svcform.errors.UsageError` where the project itself can't be found.
    """
    with _without_garbage_collection():
        return _load(request, on_project)


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    # Reading makes a million values that all stay: the collector would walk them again and again
    # for nothing (a factor of 1.5 to 6).  What was read is then left out of later collections.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.freeze()
            gc.enable()


def _load(request: LoadRequest, on_project: Callable[[ProjectInputs], None] | None) -> Loaded:
    project, diagnostics = read_project_anyway(_project_request(request))
    if on_project is not None and not errors(diagnostics):
        on_project(project)
    run = _Run(request, project, list(diagnostics))
    _read(run)
    if errors(diagnostics):
        # Allocation and endpoints hang on the inventory: what they found would not be true.
        return _loaded(run, None, None)
    lock_path = project.inventory_dir / lockfile.NAME
    before, found = lockfile.read(lock_path)
    run.diagnostics += [*found, *lock_changes.vanished_nodes(before, project.all_node_names)]
    allocation = allocate(run.cluster.services.values(), _ranges(run), before.services)
    run.diagnostics += allocation.diagnostics
    after = lock_changes.complete(before, allocation.lock, project.nodes, lockfile.new_project_id())
    if request.locked:
        run.diagnostics += lock_changes.check_locked(before, after, str(lock_path))
    workspace = _workspace(run, allocation, after)
    return _loaded(run, workspace, (before, after))


def _project_request(request: LoadRequest) -> ProjectRequest:
    return ProjectRequest(
        project=request.project,
        inventories=request.inventories,
        playbook=request.playbook,
        extra_vars=request.extra_vars,
        limit=request.limit,
        vault_password_files=request.vault_password_files,
        connection_defaults=request.connection_defaults,
    )


def _read(run: _Run) -> None:
    plays = [
        ManifestPaths(play.manifest_paths, play.manifest_origins, play.template_variables)
        for play in run.project.plays
    ]
    run.manifests = read_manifests(plays)
    valid, invalid = validate(run.manifests.objects, run.request.validate)
    run.objects, duplicates = without_duplicates(valid)
    objects = [item for item in run.objects if item is not None]
    run.cluster, refused = resolve_services(objects)
    run.diagnostics += [*run.manifests.diagnostics, *invalid, *duplicates, *refused]


def _ranges(run: _Run) -> Ranges:
    settings = run.project.settings
    return Ranges(
        service_cidrs=settings.service_cidrs or run.cluster.service_cidrs,
        node_port_range=settings.node_port_range,
        load_balancer_pools=settings.load_balancer_pools,
    )


def _workspace(run: _Run, allocation: Allocation, lock: LockFile) -> Workspace:
    services = allocation.services
    objects = list({id(item): item for item in run.objects if item is not None}.values())
    endpoints, found = resolve_endpoints(services, run.cluster.selectors, objects, _placements(run))
    # Where an object was left out as invalid, "matches nothing" is no news.
    run.diagnostics += errors(found) if any(item is None for item in run.objects) else found
    nodes = tuple(_completed(node, run.cluster) for node in run.project.nodes)
    play_services = _play_services(run)
    run.diagnostics += check_frontends(
        services, _nodes_of(run, play_services), run.project.settings.load_balancer_pools
    )
    workspace = Workspace(
        project_id=lock.project_id,
        root=str(run.project.root),
        plays=tuple(play.play for play in run.project.plays),
        nodes=nodes,
        services=MappingProxyType(dict(services)),
        endpoints=MappingProxyType(endpoints),
        play_services=play_services,
        play_nodes=run.project.play_nodes,
        **_names(nodes, objects),
    )
    run.diagnostics += lint(workspace)
    return workspace


class _Names(TypedDict, total=False):
    namespaces: frozenset[str]
    pods: tuple[PodAddress, ...]


def _names(nodes: Sequence[Node], objects: Sequence[RawObject]) -> _Names:
    """What zones need besides, where a node serves any: a dump has 100,000 pods."""
    found = _Names()
    if any(node.settings.dns for node in nodes):
        found["namespaces"] = namespaces_of(objects)
    if any(node.settings.dns_pods != "disabled" for node in nodes):
        found["pods"] = pod_addresses(objects)
    return found


def _placements(run: _Run) -> Placements:
    nodes = {node.name: node for node in (*run.project.play_nodes, *run.project.nodes)}
    by_workload, found = unite_placements([play.workloads for play in run.project.plays])
    run.diagnostics += found
    zoned = {node.settings.node_name or node.name: node.settings.zone for node in nodes.values()}
    return Placements(
        by_workload=by_workload,
        nodes=nodes,
        daemon_nodes=_daemon_nodes(run, nodes),
        zones={**run.cluster.zones, **{name: zone for name, zone in zoned.items() if zone}},
    )


def _daemon_nodes(run: _Run, nodes: Mapping[str, Node]) -> dict[NamespacedName, tuple[str, ...]]:
    # A DaemonSet that nobody places runs on every node of the plays that have its manifest.
    found: dict[NamespacedName, dict[str, None]] = {}
    for number, numbers in enumerate(run.manifests.plays):
        names = [
            name
            for name in run.project.plays[number].play.nodes
            if name in nodes and not nodes[name].absent
        ]
        for item in (run.objects[index] for index in numbers):
            if item is not None and item.kind is DAEMON_SET:
                found.setdefault(key_of(item), {}).update(dict.fromkeys(names))
    return {key: tuple(names) for key, names in found.items()}


def _completed(node: Node, cluster: Cluster) -> Node:
    settings = node.settings
    zone = settings.zone or cluster.zones.get(settings.node_name or node.name, "")
    cidrs = settings.service_cidrs or cluster.service_cidrs
    return replace(node, settings=replace(settings, zone=zone, service_cidrs=cidrs))


def _play_services(run: _Run) -> tuple[tuple[NamespacedName, ...], ...]:
    return tuple(
        tuple(
            sorted(
                {
                    key_of(item)
                    for number in numbers
                    if (item := run.objects[number]) is not None and item.kind is SERVICE
                }
            )
        )
        for numbers in run.manifests.plays
    )


def _nodes_of(
    run: _Run, play_services: tuple[tuple[NamespacedName, ...], ...]
) -> dict[NamespacedName, list[Node]]:
    by_plays: dict[tuple[int, ...], list[Node]] = {}
    found: dict[NamespacedName, list[int]] = {}
    for number, keys in enumerate(play_services):
        for key in keys:
            found.setdefault(key, []).append(number)
    for plays in set(map(tuple, found.values())):
        by_plays[plays] = [
            node for node in run.project.play_nodes if not set(plays).isdisjoint(node.plays)
        ]
    return {key: by_plays[tuple(plays)] for key, plays in found.items()}


def _loaded(
    run: _Run, workspace: Workspace | None, lock: tuple[LockFile, LockFile] | None
) -> Loaded:
    diagnostics = locate(run.diagnostics, run.manifests.sources, Path.cwd())
    is_broken = bool(errors(diagnostics))
    writes = lock is not None and lock[0] != lock[1] and not run.request.locked and not is_broken
    return Loaded(
        workspace=None if is_broken else workspace,
        diagnostics=tuple(diagnostics),
        lock=lock[1] if lock else None,
        lock_text=lockfile.render(lock[1]) if lock and writes else None,
        lock_path=run.project.inventory_dir / lockfile.NAME,
        play_nodes=run.project.play_nodes,
    )
