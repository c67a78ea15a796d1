"""``svcform get``: the Services that the nodes have, as the nodes remember them."""

from __future__ import annotations

from argparse import Namespace

from svcform.cli import parser as flags
from svcform.cli.console import console
from svcform.cli.opening import opener
from svcform.cli.reading import read_nodes
from svcform.engine.observe import Observation, observe
from svcform.errors import NodeError
from svcform.views.plan_json import document
from svcform.views.progress import NodeProgress
from svcform.views.services import services_json, services_text
from svcform.views.text import clean

_UNREADABLE = 4


def add(subparsers: flags.Subparsers) -> None:
    """Add the command's grammar."""
    parser = subparsers.add_parser("get", help="print the Services that the nodes have")
    flags.add_project(parser)
    flags.add_connection(parser)
    flags.add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Read all nodes and print one table."""
    out = console(arguments)
    inputs = read_nodes(arguments, out)
    open_node = opener(inputs.inventory_dir)
    with NodeProgress(out.stderr, "Reading", len(inputs.nodes)) as progress:
        found = observe(inputs.nodes, open_node, forks=arguments.forks, progress=progress)
    tables = {n: o.recorded.services for n, o in found.items() if isinstance(o, Observation)}
    failed = {n: o for n, o in found.items() if isinstance(o, NodeError)}
    if out.json:
        problems = [
            {"name": n, "reason": e.reason, "message": str(e), "remedy": e.remedy}
            for n, e in failed.items()
        ]
        out.result(document("get", {"services": services_json(tables), "unreadable": problems}))
    else:
        out.result(services_text(tables))
        for name, error in failed.items():
            out.say(clean(f"{name}: {error} {error.remedy}".rstrip()))
    return _UNREADABLE if failed else 0
