"""``python -m tests.faults [STEP] [FAULT]``: run cells of the table, and show how each went."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.faults import faults, steps, table
from tests.faults.cell import Found
from tests.faults.stand import stand


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("step", nargs="?", choices=["all", *steps.BY_NAME], default="all")
    parser.add_argument("fault", nargs="?", choices=["all", *faults.BY_NAME], default="all")
    parser.add_argument("--nodes", type=int, default=6)
    parser.add_argument("-v", "--verbose", action="store_true")
    parser.add_argument("--repeat", type=int, default=1, help="how often each cell is run")
    parser.add_argument("--table", action="store_true", help="only print the expected outcomes")
    given = parser.parse_args()
    if given.table:
        sys.stdout.write(table.markdown())
        return 0
    rows = steps.STEPS if given.step == "all" else (steps.BY_NAME[given.step],)
    columns = faults.FAULTS if given.fault == "all" else (faults.BY_NAME[given.fault],)
    cells = [(row, column) for row in rows for column in columns] * given.repeat
    began = time.monotonic()

    def tell(step: steps.Step, fault: faults.Fault, found: Found) -> None:
        code = found.said.code if found.said else None
        text = f"{step.name:11} {fault.name:11} {found.state:9} {code!s:4} {found.wrong or ''}\n"
        if given.verbose:
            text += f"{found.said}\n{found.again}\n{found.log}\n"
        sys.stdout.write(text)
        sys.stdout.flush()

    with (
        tempfile.TemporaryDirectory() as folder,
        stand(Path(folder), min(given.nodes, len(cells))) as made,
    ):
        found = made.run_all(cells, tell)
    sys.stdout.write(f"{time.monotonic() - began:.0f} s\n")
    return 1 if any(entry.wrong for entry in found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
