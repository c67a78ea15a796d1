"""``svcform lock``: complete, rename in, or rebuild the lock file."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from svcform.cli import parser as flags
from svcform.cli.console import Console, console
from svcform.cli.files import shown
from svcform.cli.opening import opener
from svcform.cli.reading import complete_lock, load_project, read_nodes, workspace_of
from svcform.diagnostics import errors
from svcform.engine.observe import Observation, observe
from svcform.errors import InputError, NodeError, UsageError
from svcform.inputs import lock_changes, lockfile
from svcform.inputs.lock_changes import NodeRecord
from svcform.inputs.lockfile import LockFile
from svcform.model.service import NamespacedName
from svcform.views.plan_json import document
from svcform.views.progress import NodeProgress
from svcform.views.text import clean

_UNREADABLE = 4


def add(subparsers: flags.Subparsers) -> None:
    """Add the command's grammar."""
    parser = subparsers.add_parser("lock", help="complete, rename in, or rebuild the lock file")
    parser.add_argument(
        "words", nargs="*", metavar="mv OLD NEW",
        help="with `mv OLD NEW` a Service keeps its addresses under a new namespace/name",
    )  # fmt: skip
    parser.add_argument(
        "--from-nodes", action="store_true", help="rebuild a lost file from what the nodes know"
    )
    flags.add_project(parser)
    flags.add_reading(parser)
    flags.add_connection(parser)
    flags.add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Do one of the three."""
    out = console(arguments)
    words = arguments.words
    if arguments.from_nodes and not words:
        return _rebuild(arguments, out)
    if not words and not arguments.from_nodes:
        return _complete(arguments, out)
    if len(words) == 3 and words[0] == "mv" and not arguments.from_nodes:
        return _move(arguments, out)
    raise UsageError(
        "Use `svcform lock`, `svcform lock mv OLD NEW` or `svcform lock --from-nodes`."
    )


def _complete(arguments: Namespace, out: Console) -> int:
    loaded = load_project(arguments)
    workspace_of(loaded, out)
    complete_lock(loaded, out)
    return _done(out, loaded.lock_path, changed=loaded.lock_text is not None)


def _move(arguments: Namespace, out: Console) -> int:
    old, new = (_key(word) for word in arguments.words[1:])
    path, lock = read_lock(arguments, out)
    lockfile.write(path, lockfile.render(lock_changes.move(lock, old, new)))
    return _done(out, path, changed=True)


def _key(text: str) -> NamespacedName:
    namespace, slash, name = text.partition("/")
    if not (slash and namespace and name) or "/" in name:
        raise UsageError(f"{text!r} is no Service; write namespace/name.")
    return NamespacedName(namespace, name)


def read_lock(arguments: Namespace, out: Console) -> tuple[Path, LockFile]:
    """The project's lock file.  Raises InputError where it can't be understood."""
    path = read_nodes(arguments, out).inventory_dir / lockfile.NAME
    lock, findings = lockfile.read(path)
    if errors(findings):
        raise InputError(findings)
    return path, lock


def _rebuild(arguments: Namespace, out: Console) -> int:
    inputs = read_nodes(arguments, out)
    path = inputs.inventory_dir / lockfile.NAME
    if path.exists():
        raise UsageError(f"{shown(path)} is there already; move it away to rebuild it.")
    with NodeProgress(out.stderr, "Reading", len(inputs.nodes)) as progress:
        found = observe(
            inputs.nodes, opener(inputs.inventory_dir), forks=arguments.forks, progress=progress
        )
    failed = {name: error for name, error in found.items() if isinstance(error, NodeError)}
    for name, error in failed.items():
        out.say(clean(f"{name}: {error} {error.remedy}".rstrip()))
    if failed:
        out.say("Nothing was written: what these nodes know would be missing. Use --limit.")
        return _UNREADABLE
    records = [
        NodeRecord(name, seen.recorded.project_id, seen.recorded.services)
        for name, seen in found.items()
        if isinstance(seen, Observation)
    ]
    lock, findings = lock_changes.rebuild(records)
    if errors(findings):
        raise InputError(findings)
    if not lock.project_id:
        raise UsageError("None of these nodes belongs to a project: there is nothing to rebuild.")
    lockfile.write(path, lockfile.render(lock))
    return _done(out, path, changed=True)


def _done(out: Console, path: Path, *, changed: bool) -> int:
    if out.json:
        out.result(document("lock", {"file": str(path), "changed": changed}))
    else:
        out.result(f"{shown(path)} {'was written' if changed else 'is complete'}.\n")
    return 0
