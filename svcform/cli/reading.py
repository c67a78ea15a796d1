"""From the command line to the project's input; findings go to the console on the way."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Callable, Mapping

from svcform.cli.console import Console, is_ci
from svcform.cli.files import shown
from svcform.cli.secrets import connection_defaults
from svcform.diagnostics import Diagnostic, errors
from svcform.errors import InputError
from svcform.inputs import lockfile
from svcform.inputs.project import ProjectInputs, ProjectRequest, read_project
from svcform.inputs.workspace import Loaded, LoadRequest, load
from svcform.model.node import Node
from svcform.model.workspace import Workspace


def is_locked(arguments: Namespace, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the lock file must be complete: ``--locked``, or CI is set and no ``--no-locked``."""
    if arguments.locked is not None:
        return bool(arguments.locked)
    return is_ci(environment)


def load_project(
    arguments: Namespace, on_project: Callable[[ProjectInputs], None] | None = None
) -> Loaded:
    """Read and check everything; what is wrong is in the result.

    ``on_project`` is told the inventory and the playbook before the manifests are read.
    """
    return load(
        LoadRequest(
            project=arguments.project,
            inventories=tuple(arguments.inventory),
            playbook=arguments.playbook,
            extra_vars=tuple(arguments.extra_vars),
            limit=arguments.limit,
            vault_password_files=tuple(arguments.vault_password_file),
            connection_defaults=connection_defaults(arguments),
            validate=arguments.validate,
            locked=is_locked(arguments),
            allow_renumber=arguments.allow_renumber,
        ),
        on_project,
    )


def workspace_of(loaded: Loaded, out: Console) -> Workspace:
    """The workspace; warnings go to stderr.  Raises InputError where there is an error."""
    if loaded.workspace is None:
        raise InputError(loaded.diagnostics)
    out.findings(loaded.diagnostics)
    return loaded.workspace


def complete_lock(loaded: Loaded, out: Console) -> None:
    """Write what was allocated into the lock file, if anything was."""
    if loaded.lock_text is None:
        return
    is_new = not loaded.lock_path.exists()
    lockfile.write(loaded.lock_path, loaded.lock_text)
    verb = "Wrote" if is_new else "Completed"
    out.say(f"{verb} {shown(loaded.lock_path)}; commit it with your manifests.")


def project_request(arguments: Namespace) -> ProjectRequest:
    """What the command line says about inventory and playbook."""
    return ProjectRequest(
        project=arguments.project,
        inventories=tuple(arguments.inventory),
        playbook=arguments.playbook,
        extra_vars=tuple(arguments.extra_vars),
        limit=arguments.limit,
        vault_password_files=tuple(arguments.vault_password_file),
        connection_defaults=connection_defaults(arguments),
    )


def read_nodes(arguments: Namespace, out: Console) -> ProjectInputs:
    """Inventory and playbook only: enough to reach the nodes.  Raises InputError."""
    inputs, found = read_project(project_request(arguments))
    diagnostics: list[Diagnostic] = list(found)
    if inputs is None or errors(diagnostics):
        raise InputError(diagnostics)
    out.findings(diagnostics)
    return inputs


def by_name(nodes: tuple[Node, ...]) -> dict[str, Node]:
    """Nodes by their name in the inventory."""
    return {node.name: node for node in nodes}
