"""The inventory as ``ansible-inventory --list`` prints it, without secrets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from svcform.diagnostics import Diagnostic
from svcform.inputs.connection import SECRETS
from svcform.inputs.extra_vars import read_extra_vars
from svcform.inputs.groups import ALL, Groups, Layer
from svcform.inputs.inventory import read_inventory
from svcform.inputs.project import ProjectRequest, inventory_sources, playbook_path
from svcform.inputs.variables import Variables, merge
from svcform.inputs.vault import VaultText, read_secrets

#: What stands for a value that is encrypted, and for one that is a password in clear.
VAULT, SECRET = "<vault>", "<secret>"


def inventory_list(request: ProjectRequest) -> tuple[dict[str, Any], list[Diagnostic]]:
    """Groups, hosts and each host's variables (``_meta.hostvars``), ready for JSON.

    Expressions are not evaluated, as in Ansible.  No play's variables are in it.
    """
    secrets, problems = read_secrets(request.vault_password_files)
    inventory, found = read_inventory(inventory_sources(request), secrets)
    variables = Variables(inventory, playbook_path(request).parent, secrets)
    extra, more = read_extra_vars(request.extra_vars, secrets)
    groups = inventory.groups
    listed: dict[str, Any] = {}
    _add_group(groups, ALL, listed)
    hosts = {name: _shown_host(variables, name, extra) for name in groups.members(ALL)}
    listed["_meta"] = {
        "hostvars": {name: values for name, values in hosts.items() if values},
        "profile": "inventory_legacy",
    }
    return listed, [*problems, *found, *more, *variables.problems]


def _add_group(groups: Groups, name: str, listed: dict[str, Any]) -> None:
    group = groups.groups[name]
    entry: dict[str, list[str]] = {}
    if group.hosts and name != ALL:
        entry["hosts"] = list(group.hosts)
    if group.children:
        entry["children"] = list(group.children)
    if entry:
        listed[name] = entry
    for child in group.children:
        if child not in listed:
            _add_group(groups, child, listed)


def _shown_host(variables: Variables, name: str, extra: Sequence[Layer]) -> dict[str, Any]:
    merged = variables.of_host(name)
    for layer in extra:
        merge(merged, layer)
    return {key: _shown(key, layer.values[key]) for key, layer in merged.items()}


def _shown(name: str, value: object) -> object:
    if isinstance(value, VaultText):
        return VAULT
    if name in SECRETS:
        return SECRET
    if isinstance(value, Mapping):
        return {str(key): _shown(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_shown("", inner) for inner in value]
    return str(value) if isinstance(value, date | bytes | set) else value
