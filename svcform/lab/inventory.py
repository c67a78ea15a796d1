"""The inventory of a lab, ready for ``svcform plan -i``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from svcform.lab import addresses
from svcform.lab.spec import LabSpec, NodeSpec

# Written by hand, not by a YAML library: those are imported by inputs/ alone, and all values here
# are the lab's own names, numbers and addresses, or are quoted by _quote.


def write_inventory(spec: LabSpec, state: Mapping[str, Any], client_key: Path) -> str:
    """The text of ``inventory.yml``: all nodes in the group ``lab``."""
    lines = ["# Written by svcform lab up.", "all:", "  children:", "    lab:", "      hosts:"]
    for node in spec.nodes:
        lines.append(f"        {node.name}:")
        for key, value in _variables(spec, node, state["nodes"][node.name], client_key):
            lines.append(f"          {key}: {value}")
    return "\n".join(lines) + "\n"


def _variables(
    spec: LabSpec, node: NodeSpec, state: Mapping[str, Any], client_key: Path
) -> list[tuple[str, str]]:
    if node.ssh:
        variables = [
            ("ansible_host", "127.0.0.1"),
            ("ansible_port", str(state["port"])),
            ("ansible_user", node.user),
            ("ansible_ssh_private_key_file", _quote(str(client_key))),
        ]
        if node.user != "root":
            variables.append(("ansible_become", "true"))
    else:
        variables = [
            ("ansible_connection", "svcform_lab"),
            ("ansible_host", node.name),
            ("svcform_lab_pid", str(state["pid"])),
        ]
    number = spec.number(node.name)
    variables.append(("node_ip", _flow(addresses.node_addresses(number))))
    variables.append(("pod_cidrs", _flow(addresses.pod_cidrs(number))))
    return variables + list(node.variables)


def _flow(items: tuple[str, ...]) -> str:
    return "[" + ", ".join(_quote(item) for item in items) + "]"


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def write_known_hosts(spec: LabSpec, state: Mapping[str, Any]) -> str:
    """The text of ``known_hosts``: each node by its port on this machine and by its address."""
    lines = [
        f"[127.0.0.1]:{node['port']},{node['addresses'][0]} {node['host_key']}"
        for node in (state["nodes"][each.name] for each in spec.nodes)
        if node["host_key"]
    ]
    return "".join(line + "\n" for line in lines)
