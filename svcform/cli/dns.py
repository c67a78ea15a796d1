"""``svcform dns query``: what the planned zones would answer, with no node asked."""

from __future__ import annotations

import ipaddress
from argparse import Namespace
from collections.abc import Mapping

from svcform.cli import parser as flags
from svcform.cli.console import console
from svcform.cli.reading import load_project, workspace_of
from svcform.errors import UsageError
from svcform.lang.zone.kinds import is_kind
from svcform.model.zone import Zones
from svcform.policy.dns import decide_zones
from svcform.policy.dns_answer import answer
from svcform.policy.dns_names import reverse_name
from svcform.views.dns import answer_json, answer_text
from svcform.views.plan_json import document


def add(subparsers: flags.Subparsers) -> None:
    """Add the command's grammar."""
    parser = subparsers.add_parser("dns", help="ask the planned DNS zones, offline")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    query = verbs.add_parser("query", help="what the planned zones would answer, like dig")
    query.add_argument("name", metavar="NAME", help="a name, or an address to look up backwards")
    query.add_argument("type", metavar="TYPE", nargs="?", help="A (for an address: PTR), SRV, …")
    query.add_argument("--node", help="the node that is asked (the first one that serves DNS)")
    flags.add_reading(query)
    flags.add_project(query)
    flags.add_output(query)
    query.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Read the project, decide its zones, and answer."""
    out = console(arguments)
    if arguments.type and not is_kind(arguments.type):
        raise UsageError(f"{arguments.type} is no type of DNS records, such as A, SRV or PTR.")
    workspace = workspace_of(load_project(arguments), out)
    zones = _zones(decide_zones(workspace), arguments.node)
    name, kind = _question(arguments.name, arguments.type)
    found = answer(zones, name, kind)
    if out.json:
        out.result(document("dns query", answer_json(name, kind, found)))
    else:
        out.result(answer_text(name, kind, found))
    return 0


def _zones(by_node: Mapping[str, Zones], node: str | None) -> Zones:
    if not by_node:
        raise UsageError("No node serves DNS: set `dns: true` for some.")
    if node is None:
        return next(iter(by_node.values()))
    if node not in by_node:
        raise UsageError(f"{node} serves no DNS; these do: {', '.join(by_node)}.")
    return by_node[node]


def _question(name: str, kind: str | None) -> tuple[str, str]:
    try:
        address = str(ipaddress.ip_address(name))
    except ValueError:
        return name.rstrip(".") + ".", (kind or "A").upper()
    return reverse_name(address), (kind or "PTR").upper()
