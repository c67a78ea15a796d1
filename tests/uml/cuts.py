"""Power cuts at each step of an apply: the node's disk as it is before each change of a file.

What ``kill -9`` of a machine leaves is its disk at that moment, so the disk is copied while the
node waits, and one apply gives all of its power cuts.  At each of them the file system's journal is
on disk, and no file's contents but those that were synced: the worst that a disk may do.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.fleet.projects import Said
from tests.uml.guest import HERE
from tests.uml.node import UmlNode

_WATCHED = ("cp", "ln", "mkdir", "mv", "rm", "rmdir", "sync")
_STATE = "/var/lib/svcform/"


@dataclass(frozen=True, slots=True)
class Cut:
    """A disk, and the phase of the run and the change of a file that it was taken before.

    ``step`` is the number of steps of the program that had begun.
    """

    disk: Path
    phase: str
    operation: str

    @property
    def name(self) -> str:
        return f"{self.phase}: {self.operation}"


def record(
    node: UmlNode, into: Path, patterns: Sequence[str], *arguments: str, seconds: float = 1200
) -> tuple[Said, list[Cut]]:
    """Run svcform, and keep the node's disk of each step; what svcform said, and the cuts.

    ``patterns`` are sh's, for ``PHASE: PROGRAM ARGUMENTS`` with whole paths.
    """
    cuts: list[Cut] = []
    into.mkdir()
    announced = node.shared / "at"
    with _watching(node, patterns):
        running = node.start_svcform(*arguments)
        limit = time.monotonic() + seconds
        while running.poll() is None:
            assert time.monotonic() < limit, "The recorded apply does not end."
            if announced.exists():
                cuts.append(_cut(node, into / f"{len(cuts)}.img", announced.read_text()))
                announced.unlink()
            time.sleep(0.005)
    out = running.stdout.read() if running.stdout else ""
    return Said(running.returncode, out, ""), cuts


def _cut(node: UmlNode, disk: Path, announced: str) -> Cut:
    phase, _, operation = announced.strip().partition(": ")
    subprocess.run(["cp", "--sparse=always", node.disk, disk], check=True)
    return Cut(
        disk,
        phase,
        re.sub(r"/runs/(incoming\.)?[0-9a-f]{16}", r"/\1RUN", operation).replace(_STATE, ""),
    )


@contextmanager
def _watching(node: UmlNode, patterns: Sequence[str]) -> Iterator[None]:
    programs = node.shared / "programs"
    choice = " | ".join(pattern.replace(" ", "\\ ") for pattern in patterns)
    (node.shared / "wanted").write_text(f'case "$operation" in\n{choice}) wanted=1 ;;\nesac\n')
    kept = {name: programs / name for name in _WATCHED if (programs / name).is_symlink()}
    for name in _WATCHED:
        (programs / name).unlink(missing_ok=True)
        shutil.copy(HERE / "pausing.sh", programs / name)
    yield
    for name in _WATCHED:
        (programs / name).unlink()
    for path in kept.values():
        path.symlink_to("busybox")
