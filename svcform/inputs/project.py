"""A project: its inventory and its playbook, read and checked together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from svcform.diagnostics import Origin
from svcform.inputs.connection_defaults import ConnectionDefaults
from svcform.model.node import Node, Play
from svcform.model.service import NamespacedName

__all__ = ["ConnectionDefaults", "Placement", "PlayInputs", "ProjectInputs", "ProjectRequest"]


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
class Placement:
    """Where one replica of a workload runs: on ``node``, or at ``address``, or both.

    ``10.244.1.5@edge-1`` has both, ``edge-1`` only a node, ``10.244.1.5`` only an address.
    """

    address: str | None = None
    node: str | None = None
    origin: Origin = field(default=Origin(""), compare=False)


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
    """

    root: Path
    playbook_path: Path
    inventory_dir: Path
    nodes: tuple[Node, ...] = ()
    all_node_names: tuple[str, ...] = ()
    play_nodes: tuple[Node, ...] = ()
    plays: tuple[PlayInputs, ...] = ()
