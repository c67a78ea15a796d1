"""The bundle: everything one run needs on a node, as one stream of bytes.

A line ``svcform-bundle 2 TOTAL TABLE FIRST COUNT RUN`` (bytes behind this line, bytes of the table,
bytes of the first file, number of files, the run's name), the table with a line ``SIZE NAME`` for
each file, then the files.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from svcform.plan.services import ServiceChange
from svcform.plan.services_tsv import write_rows
from svcform.program.program import Checkpoint, Fingerprint, Program, Step
from svcform.program.reading import shell_source

_RUNNER = (
    "runner/common",
    "watch",
    "runner/lock",
    "runner/put_back",
    "runner/outcome",
    "runner/guard",
    "runner/run",
    "runner/conversation",
    "runner/checks",
    "runner/restore",
    "runner/people",
    "runner/main",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What a run is given.

    ``meta`` are the runner's keys: run, plan, project, layout, svcform, found_project,
    found_layout, machine, before, after, who, source, run_timeout, confirm_timeout, absent, nonce,
    form.
    ``reading`` is the reading script, whose answer is the read-back.  Behind ``installed_head`` it
    stays on the node.
    """

    meta: Mapping[str, str]
    program: Program
    checkpoints: Sequence[Checkpoint]
    service_changes: Sequence[ServiceChange]
    reading: str = field(repr=False)
    installed_head: str = field(repr=False)


def carry_script() -> str:
    """The constant script that takes a bundle from its standard input and starts its runner."""
    return shell_source("carry.sh")


def ask_script(*words: str) -> str:
    """Hands words (follow, confirm, check or reject, the run, why) to a run's runner.

    The answer's outcome is ``unknown`` where there is none.
    """
    return f"set -- {shlex.join(map(_one_line, words))}\n{shell_source('ask.sh')}"


@cache
def runner_script() -> str:
    """The runner, one script of the pieces in ``runner/``: nodes have nothing to include."""
    return "\n".join(shell_source(f"{piece}.sh") for piece in _RUNNER)


def rollback_script() -> str:
    """What puts a node's former state back, as a step of a run."""
    return shell_source("runner/put_back.sh") + shell_source("rollback.sh")


def write_bundle(request: RunRequest) -> bytes:
    """The bundle's bytes."""
    files = list(_files(request))
    table = "".join(f"{len(data)} {name}\n" for name, data in files)
    total = len(table) + sum(len(data) for _, data in files)
    sizes = f"{total} {len(table)} {len(files[0][1])} {len(files)}"
    head = f"svcform-bundle 2 {sizes} {request.meta['run']}\n{table}".encode()
    return b"".join([head, *(data for _, data in files)])


def _files(request: RunRequest) -> Iterator[tuple[str, bytes]]:
    yield "runner", runner_script().encode()
    yield "meta", _table(request.meta.items())
    yield "reading", request.reading.encode()
    yield "reading.head", request.installed_head.encode()
    yield "connections", shell_source("connections.sh").encode()
    yield from _checkpoint_files(request.checkpoints)
    yield from _fingerprint_files(request.program.fingerprints)
    yield from _step_files(request.program.steps)
    changes = request.service_changes
    yield "services.gone", write_rows(c.before for c in changes if c.before)
    yield "services.come", write_rows(c.after for c in changes if c.after)


def _checkpoint_files(checkpoints: Sequence[Checkpoint]) -> Iterator[tuple[str, bytes]]:
    numbered = enumerate(checkpoints, start=10)
    yield "order", _table((str(number), entry.backend) for number, entry in numbered)
    for entry in checkpoints:
        yield f"checkpoint.{entry.backend}.save", entry.save.encode()
        yield f"checkpoint.{entry.backend}.restore", entry.restore.encode()


def _fingerprint_files(fingerprints: Sequence[Fingerprint]) -> Iterator[tuple[str, bytes]]:
    digests = [hashlib.sha256(entry.expected).hexdigest() for entry in fingerprints]
    yield "fingerprints", "".join(f"{digest}\n" for digest in digests).encode()
    for number, entry in enumerate(fingerprints):
        yield f"fingerprint.{number:04}.script", entry.script.encode()
        yield f"fingerprint.{number:04}.operands", entry.operands


def _step_files(steps: Sequence[Step]) -> Iterator[tuple[str, bytes]]:
    rows = [f"{n:04}\t{s.backend}\t{_one_line(s.summary)}\n" for n, s in enumerate(steps)]
    yield "steps", "".join(rows).encode()
    for number, step in enumerate(steps):
        name = f"step.{number:04}"
        yield f"{name}.command", command_file(step.command)
        yield f"{name}.{'file' if step.stores else 'stdin'}", step.stdin
        if step.rehearsal:
            yield f"{name}.rehearsal", command_file(step.rehearsal)


def command_file(arguments: Sequence[str]) -> bytes:
    """What ``sh FILE`` carries a command out with; a script for sh costs no second one."""
    match arguments:
        case ["sh", "-c", script]:
            return f"{script}\n".encode()
    return f"exec {shlex.join(arguments)}\n".encode()


def _table(pairs: Iterable[tuple[str, str]]) -> bytes:
    lines = [f"{key}\t{_one_line(value)}\n" for key, value in pairs]
    return "".join(lines).encode()


def _one_line(text: str) -> str:
    """The text without control characters, which would end its line early."""
    return "".join(c if c.isprintable() else " " for c in text)
