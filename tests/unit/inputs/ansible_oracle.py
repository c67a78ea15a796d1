"""The oracle: what ansible-core itself makes of an inventory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.plugins.vars import host_group_vars
from ansible.vars.manager import VariableManager

INTERNAL = {
    "ansible_facts", "ansible_python_interpreter", "ansible_playbook_python", "ansible_version",
    "ansible_config_file", "ansible_run_tags", "ansible_skip_tags", "ansible_check_mode",
    "ansible_diff_mode", "ansible_forks", "ansible_verbosity", "ansible_inventory_sources",
    "ansible_limit", "inventory_hostname", "inventory_hostname_short", "inventory_file",
    "inventory_dir", "groups", "group_names", "omit", "playbook_dir", "vars", "hostvars",
    "ansible_play_hosts", "ansible_play_batch", "ansible_play_hosts_all", "play_hosts",
    "ansible_dependent_role_names", "ansible_play_role_names", "ansible_role_names", "role_names",
    "ansible_collection_name", "ansible_role_name", "ansible_play_name", "ansible_local",
    "ansible_delegated_vars", "role_name", "role_path", "role_uuid", "environment",
}  # fmt: skip
_ready = False


def inventory(sources: list[str], basedir: Path | None = None) -> tuple[Any, Any]:
    """Ansible's InventoryManager and VariableManager over the sources."""
    global _ready  # noqa: PLW0603 - the plugin loader can be initialised once a process
    if not _ready:
        init_plugin_loader([])
        _ready = True
    # Ansible remembers which files are beside an inventory for the life of the process.
    host_group_vars.CANONICAL_PATHS.clear()
    host_group_vars.FOUND.clear()
    host_group_vars.NAK.clear()
    loader = DataLoader()
    manager = InventoryManager(loader=loader, sources=sources)
    variables = VariableManager(loader=loader, inventory=manager)
    if basedir:
        loader.set_basedir(str(basedir))
        variables.safe_basedir = True
    return manager, variables


def host_variables(manager: Any, variables: Any, name: str) -> dict[str, Any]:
    """What ``ansible-inventory --host NAME`` prints."""
    host = manager.get_host(name)
    found = variables.get_vars(host=host, include_hostvars=False, stage="all")
    kept = {key: value for key, value in found.items() if key not in INTERNAL}
    return json.loads(json.dumps(kept, default=str))
