"""``svcform trust``: see the nodes' host keys, and pin them beside the inventory."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from svcform.cli import parser as flags
from svcform.cli.applying import is_approved, refuse_without_terminal
from svcform.cli.console import Console, console
from svcform.cli.files import shown
from svcform.cli.nodes import chosen
from svcform.cli.opening import KNOWN_HOSTS, ssh_options
from svcform.cli.reading import by_name, read_nodes
from svcform.engine import fleet
from svcform.errors import NodeError, UsageError
from svcform.model.node import Node
from svcform.transport import trust
from svcform.transport.known_hosts import HostKey
from svcform.transport.trust import Scan
from svcform.views.plan_json import document
from svcform.views.text import clean, plural

_UNREADABLE = 4


def add(subparsers: flags.Subparsers) -> None:
    """Add the command's grammar."""
    parser = subparsers.add_parser("trust", help="see the nodes' host keys, and pin them")
    parser.add_argument("nodes", nargs="*", metavar="NODE", help="only these nodes")
    parser.add_argument(
        "--replace", action="append", default=[], metavar="NODE",
        help="this node was reinstalled: pin its new key instead of the old one",
    )  # fmt: skip
    parser.add_argument("--auto-approve", action="store_true", help="do not ask")
    flags.add_project(parser)
    flags.add_connection(parser)
    flags.add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Scan, show old and new fingerprints, ask, pin."""
    out = console(arguments)
    inputs = read_nodes(arguments, out)
    options = ssh_options(inputs.inventory_dir)
    if options.ci:
        trust.pin(inputs.inventory_dir / KNOWN_HOSTS, (), replace=False, ci=True)
    nodes = _chosen(arguments, by_name(inputs.nodes))
    found = fleet.run(
        nodes,
        lambda node: trust.scan(node.connection, replace(options, node=node.name)),
        arguments.forks,
        on_interrupt=fleet.leave,
    )
    scans = {name: scan for name, scan in found.items() if isinstance(scan, Scan)}
    failed = {name: error for name, error in found.items() if isinstance(error, NodeError)}
    for name, error in failed.items():
        out.say(clean(f"{name}: {error} {error.remedy}".rstrip()))
    code = _pin(arguments, out, inputs.inventory_dir / KNOWN_HOSTS, scans)
    return code or (_UNREADABLE if failed else 0)


def _chosen(arguments: Namespace, nodes: Mapping[str, Node]) -> Sequence[Node]:
    wanted = [*arguments.nodes, *arguments.replace] or list(nodes)
    found = [chosen(name, nodes) for name in dict.fromkeys(wanted)]
    ssh = [node for node in found if node.connection.kind == "ssh"]
    if not ssh:
        raise UsageError("None of these nodes is reached over SSH: there is no host key to trust.")
    return ssh


def _pin(arguments: Namespace, out: Console, file: Path, scans: Mapping[str, Scan]) -> int:
    news = [scan for scan in scans.values() if not scan.trusted]
    if not out.json:
        for scan in scans.values():
            _show(out, scan)
    if news:
        refuse_without_terminal(arguments, out, "Use --auto-approve.")
        question = f"Trust {plural(len(news), 'node')} with these keys from now on?"
        if not is_approved(arguments, out, question):
            return 1
        for scan in news:
            trust.pin(file, (scan,), replace=scan.node in arguments.replace, ci=False)
        out.say(f"Pinned in {shown(file)}; commit it with the inventory.")
    if out.json:
        out.result(document("trust", {"nodes": [_scan_json(scan) for scan in scans.values()]}))
    return 0


def _show(out: Console, scan: Scan) -> None:
    if scan.trusted:
        out.result(f"  {clean(scan.node)}  {_prints(scan.seen)}  (trusted already)\n")
        return
    for key in scan.pinned:
        if key not in scan.seen:
            out.result(f"- {clean(scan.node)}  {clean(key.fingerprint)}\n")
    for key in scan.seen:
        sign = " " if key in scan.pinned else "+"
        note = "  (in another known_hosts already)" if key in scan.elsewhere else ""
        out.result(f"{sign} {clean(scan.node)}  {clean(key.fingerprint)}{note}\n")


def _prints(keys: Sequence[HostKey]) -> str:
    return clean(" ".join(key.fingerprint for key in keys))


def _scan_json(scan: Scan) -> Mapping[str, object]:
    return {
        "name": scan.node,
        "seen": [key.fingerprint for key in scan.seen],
        "pinned_before": [key.fingerprint for key in scan.pinned],
        "changed": scan.changed,
    }
