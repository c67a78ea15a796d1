"""``svcform validate``: every mistake in the input, all at once; contacts no node."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable

from svcform.cli import parser as flags
from svcform.cli.console import console
from svcform.cli.reading import load_project, workspace_of
from svcform.model.endpoint import ServiceEndpoints
from svcform.views.plan_json import findings_json
from svcform.views.text import plural


def add(subparsers: flags.Subparsers) -> None:
    """Add the command's grammar."""
    parser = subparsers.add_parser("validate", help="check the input; contact no node")
    flags.add_project(parser)
    flags.add_reading(parser)
    flags.add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Read and check; writes nothing, not even the lock file."""
    out = console(arguments)
    loaded = load_project(arguments)
    workspace = workspace_of(loaded, out)
    counts = {
        "services": len(workspace.services),
        "endpoints": _endpoints(workspace.endpoints.values()),
        "nodes": len(workspace.nodes),
    }
    if out.json:
        out.result(findings_json("validate", loaded.diagnostics, {"valid": True, **counts}))
        return 0
    words = ", ".join(plural(count, noun[:-1]) for noun, count in counts.items())
    out.result(f"Valid: {words}.\n")
    return 0


def _endpoints(tables: Iterable[ServiceEndpoints]) -> int:
    return sum(len(endpoints) for table in tables for endpoints in table.values())
