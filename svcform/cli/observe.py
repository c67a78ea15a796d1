"""``svcform observe --out FILE``: keep what the nodes answer, for plans that reach none of them."""

from __future__ import annotations

from argparse import Namespace
from datetime import UTC, datetime
from pathlib import Path

from svcform.cli import parser as flags
from svcform.cli.console import console
from svcform.cli.files import replace
from svcform.cli.opening import opener
from svcform.cli.reading import read_nodes
from svcform.engine import reading_file
from svcform.engine.observe import observe
from svcform.engine.reading_file import SavedReading
from svcform.errors import NodeError
from svcform.views.plan_json import document
from svcform.views.progress import NodeProgress
from svcform.views.text import clean, plural

_UNREADABLE = 4


def add(subparsers: flags.Subparsers) -> None:
    """Add the command's grammar."""
    parser = subparsers.add_parser("observe", help="save what the nodes are, for `plan --from`")
    parser.add_argument("--out", type=Path, metavar="FILE", required=True, help="where to")
    flags.add_project(parser)
    flags.add_connection(parser)
    flags.add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Read all nodes and write the file; a node that can't be read is in it with the reason."""
    out = console(arguments)
    inputs = read_nodes(arguments, out)
    open_node = opener(inputs.inventory_dir)
    with NodeProgress(out.stderr, "Reading", len(inputs.nodes)) as progress:
        found = observe(inputs.nodes, open_node, forks=arguments.forks, progress=progress)
    when = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    # It holds rules and addresses of a network: its owner decides who reads it.
    content = reading_file.write(SavedReading(when=when, nodes=found))
    replace(arguments.out, content, private=True)
    failed = {name: error for name, error in found.items() if isinstance(error, NodeError)}
    for name, error in failed.items():
        out.say(clean(f"{name}: {error} {error.remedy}".rstrip()))
    file = str(arguments.out)
    if out.json:
        body = {"file": file, "when": when, "nodes": list(found), "unreadable": list(failed)}
        out.result(document("observe", body))
    else:
        read = plural(len(found) - len(failed), "node")
        out.result(f"Saved the reading of {read}; plan from it with: svcform plan --from {file}\n")
    return _UNREADABLE if failed else 0
