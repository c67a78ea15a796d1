"""``python -m tests.faults [STEP] [FAULT]``: run cells of the table, and show how each went."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.faults import faults, modes, steps, table
from tests.faults.cell import Found
from tests.faults.stand import stand


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("step", nargs="?", choices=["all", *steps.BY_NAME], default="all")
    parser.add_argument("fault", nargs="?", choices=["all", *faults.BY_NAME], default="all")
    parser.add_argument("--mode", choices=modes.BY_NAME, default="iptables")
    parser.add_argument("--nodes", type=int, default=6)
    parser.add_argument("-v", "--verbose", action="store_true")
    parser.add_argument("--repeat", type=int, default=1, help="how often each cell is run")
    parser.add_argument("--table", action="store_true", help="only print the expected outcomes")
    given = parser.parse_args()
    if given.table:
        sys.stdout.write(table.markdown(given.mode))
        return 0
    cells = [
        (step, fault)
        for step, fault in table.cells(given.mode)
        if given.step in {"all", step.name} and given.fault in {"all", fault.name}
    ] * given.repeat
    began = time.monotonic()

    unexpected = 0

    def tell(step: steps.Step, fault: faults.Fault, found: Found) -> None:
        nonlocal unexpected
        code = found.said.code if found.said else None
        if not table.fits(table.expected(given.mode)[step.name, fault.name], found.state):
            found.wrong.append("not what the table says")
        unexpected += bool(found.wrong)
        text = f"{step.name:11} {fault.name:11} {found.state:9} {code!s:4} {found.seconds:4.0f} s"
        text += f" {found.wrong or ''}\n"
        if given.verbose:
            text += f"{found.said}\n{found.again}\n{found.log}\n"
        sys.stdout.write(text)
        sys.stdout.flush()

    with (
        tempfile.TemporaryDirectory() as folder,
        stand(Path(folder), min(given.nodes, len(cells)), modes.BY_NAME[given.mode]) as made,
    ):
        made.run_all(cells, tell)
    sys.stdout.write(f"{len(cells)} cells, {time.monotonic() - began:.0f} s\n")
    return 1 if unexpected else 0


if __name__ == "__main__":
    sys.exit(main())
