"""How long ``svcform plan`` takes, all in, next to PyYAML's C loader on the same files.

    sudo .venv/bin/python -m tests.bench.bench_plan [SERVICES] [ENDPOINTS]

The node is a network namespace of this machine.  Every figure is that of a process of its own, and
the better of two, since other work on the machine only ever adds.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.bench.project import LAYOUTS, write_project

_PYYAML = """
import sys, yaml
from pathlib import Path
for file in sorted(Path(sys.argv[1], "services").iterdir()):
    with file.open() as stream:
        list(yaml.load_all(stream, Loader=yaml.CSafeLoader))
"""
_SVCFORM = [sys.executable, "-m", "svcform"]
_RUNS = 2
#: Seconds after which a second run would only be a long wait.
_LONG = 60.0


class Took(NamedTuple):
    """Seconds from start to end of a process, its CPU seconds, and MB of memory at the peak."""

    seconds: float
    cpu: float
    megabytes: float


def measure(command: list[str], folder: Path) -> Took:
    """The better of two runs; raises CalledProcessError where the command fails."""
    best = _run(command, folder)
    for _ in range(_RUNS - 1):
        if best.seconds < _LONG:
            best = min(best, _run(command, folder))
    return best


def _run(command: list[str], folder: Path) -> Took:
    begin = time.perf_counter()
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        took = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Took(took, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


@contextmanager
def embedded_lab(folder: Path) -> Iterator[str]:
    """A node without SSH; gives its inventory."""
    where = ["--dir", str(folder)]
    subprocess.run([*_SVCFORM, "lab", "up", "--embedded", *where], check=True, capture_output=True)
    try:
        yield (folder / "inventory.yml").read_text()
    finally:
        subprocess.run([*_SVCFORM, "lab", "down", *where], check=True, capture_output=True)


def rows(layout: str, services: int, endpoints: int) -> Iterator[tuple[str, Took]]:
    """What is measured of one layout: PyYAML, a first plan, and a plan that changes nothing."""
    with tempfile.TemporaryDirectory() as name:
        project = Path(name, "project")
        with embedded_lab(Path(name, "lab")) as inventory:
            size = write_project(project, inventory, layout, services, endpoints)
            yield (
                f"{layout}, {size / 1e6:.1f} MB: PyYAML CSafeLoader",
                measure([sys.executable, "-c", _PYYAML, "."], project),
            )
            _run([*_SVCFORM, "validate"], project)  # compiles svcform's own modules
            _run([*_SVCFORM, "plan"], project)  # writes the lock file
            yield "svcform plan, all to add", measure([*_SVCFORM, "plan"], project)
            _run([*_SVCFORM, "apply", "--auto-approve"], project)
            yield "svcform plan, nothing to change", measure([*_SVCFORM, "plan"], project)


def main() -> None:
    """Print the table."""
    services, endpoints = (int(text) for text in [*sys.argv[1:], "10000", "10"][:2])
    print(f"`svcform plan` of {services:,} Services with {endpoints} endpoints each, one node\n")
    print("| step | seconds | of PyYAML | CPU seconds | of PyYAML | peak MB |")
    print("|---|---|---|---|---|---|")
    for layout in LAYOUTS:
        base: Took | None = None
        for title, took in rows(layout, services, endpoints):
            base = base or took
            print(
                f"| {title} | {took.seconds:.2f} | {took.seconds / base.seconds:.2f} "
                f"| {took.cpu:.2f} | {took.cpu / base.cpu:.2f} | {took.megabytes:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
