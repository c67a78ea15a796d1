"""``svcform inventory --list``: the inventory as svcform reads it, in Ansible's JSON."""

from __future__ import annotations

import json
from argparse import Namespace

from svcform.cli import parser as flags
from svcform.cli.console import console
from svcform.cli.reading import project_request
from svcform.diagnostics import errors
from svcform.errors import InputError, UsageError
from svcform.inputs.inventory_list import inventory_list
from svcform.inputs.project import inventory_sources


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
    """Print JSON of the shape of ``ansible-inventory --list``; secrets are masked."""
    out = console(arguments)
    request = project_request(arguments)
    if not inventory_sources(request):
        raise UsageError(f"There is no inventory.yml in {request.project}; name one with -i.")
    listed, diagnostics = inventory_list(request)
    if errors(diagnostics):
        raise InputError(diagnostics)
    out.findings(diagnostics)
    shown = listed if arguments.host is None else _host(listed, arguments.host)
    out.result(json.dumps(shown, indent=4, sort_keys=True) + "\n")
    return 0


def _host(listed: dict[str, object], name: str) -> object:
    members = {
        host for group in listed.values() if isinstance(group, dict) for host in _hosts(group)
    }
    if name not in members:
        raise UsageError(f"{name} is not in the inventory.")
    meta = listed["_meta"]
    return meta["hostvars"].get(name, {}) if isinstance(meta, dict) else {}


def _hosts(group: dict[str, object]) -> list[str]:
    hosts = group.get("hosts", [])
    return hosts if isinstance(hosts, list) else []
