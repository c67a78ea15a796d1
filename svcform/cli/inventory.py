"""``svcform inventory --list``: the inventory as svcform reads it, in Ansible's JSON."""

from __future__ import annotations

import json
import re
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from svcform.cli import parser as flags
from svcform.cli.console import console
from svcform.cli.reading import project_request
from svcform.diagnostics import errors
from svcform.errors import InputError, UsageError
from svcform.inputs.groups import Groups
from svcform.inputs.inventory import read_inventory
from svcform.inputs.project import ProjectRequest, inventory_sources
from svcform.inputs.variables import Variables
from svcform.inputs.vault import VaultText, read_secrets

_SECRET = re.compile(r"pass(word|phrase)?$|token$|secret$")


def add(subparsers: flags.Subparsers) -> None:
    """Add the command's grammar."""
    parser = subparsers.add_parser("inventory", help="print the inventory as svcform reads it")
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--list", action="store_true", help="groups and variables (the default)")
    shape.add_argument("--host", metavar="NODE", help="only the variables of this node")
    flags.add_project(parser)
    flags.add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Print JSON of the shape of ``ansible-inventory --list``; passwords are masked."""
    out = console(arguments)
    request = project_request(arguments)
    sources = inventory_sources(request)
    if not sources:
        raise UsageError(f"There is no inventory.yml in {request.project}; name one with -i.")
    secrets, problems = read_secrets(request.vault_password_files)
    inventory, found = read_inventory(sources, secrets)
    variables = Variables(inventory, _playbook_folder(request), secrets)
    groups = inventory.groups
    if arguments.host is not None and arguments.host not in groups.hosts:
        raise UsageError(f"{arguments.host} is not in the inventory.")
    names = [arguments.host] if arguments.host is not None else list(groups.hosts)
    hostvars = {name: _values(variables, name) for name in names}
    diagnostics = [*problems, *found, *variables.problems]
    if errors(diagnostics):
        raise InputError(diagnostics)
    out.findings(diagnostics)
    shown = hostvars[names[0]] if arguments.host is not None else _listing(groups, hostvars)
    out.result(json.dumps(shown, indent=4, sort_keys=True, default=str) + "\n")
    return 0


def _playbook_folder(request: ProjectRequest) -> Path:
    if request.playbook is not None:
        return Path(request.playbook).parent
    return request.project / "playbooks"


def _values(variables: Variables, name: str) -> dict[str, Any]:
    return {key: _shown(key, layer.values[key]) for key, layer in variables.of_host(name).items()}


def _shown(name: str, value: object) -> object:
    """A value that is still encrypted, or that a name says is secret, is not printed."""
    if isinstance(value, VaultText) or _SECRET.search(name):
        return "********"
    if isinstance(value, Mapping):
        return {str(key): _shown(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_shown("", inner) for inner in value]
    return value


def _listing(groups: Groups, hostvars: Mapping[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {"_meta": {"hostvars": hostvars}}
    for name, group in groups.groups.items():
        entry: dict[str, Any] = {}
        if group.children:
            entry["children"] = list(group.children)
        if group.hosts and name != "all":
            entry["hosts"] = list(group.hosts)
        if entry:
            shown[name] = entry
    return shown
