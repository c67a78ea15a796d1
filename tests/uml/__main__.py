"""``python -m tests.uml [--all]``: boot a node after a power cut at each step of two applies."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.uml.story import FIRST, SECOND, Ending, boot_all, story

_EVERY_CHANGE = ("*",)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.uml")
    parser.add_argument("--all", action="store_true", help="at every change of a file")
    parser.add_argument("--first", action="append", metavar="PATTERN", help="cuts of apply 1")
    parser.add_argument("--second", action="append", metavar="PATTERN", help="cuts of apply 2")
    parser.add_argument("--again", action="store_true", help="apply once more after each boot")
    given = parser.parse_args()
    chosen = (_EVERY_CHANGE, _EVERY_CHANGE) if given.all else (FIRST, SECOND)
    if given.first or given.second:
        # What matches nothing.
        chosen = (given.first or ["-"], given.second or ["-"])
    began = time.monotonic()

    def tell(ending: Ending) -> None:
        seconds = time.monotonic() - began
        sys.stdout.write(
            f"{seconds:4.0f} s {ending.chapter:7} {ending.cut.name[:80]:80} {ending.state}\n"
        )
        sys.stdout.flush()

    with tempfile.TemporaryDirectory() as folder, story(Path(folder), *chosen) as told:
        sys.stdout.write(f"{time.monotonic() - began:4.0f} s recorded\n")
        sys.stdout.flush()
        endings = boot_all(told, tell, lambda _: given.again)
    sys.stdout.write(f"{len(endings)} power cuts, {time.monotonic() - began:.0f} s\n")
    return 0 if {x.state for x in endings} <= {"old", "new", "untouched"} else 1


if __name__ == "__main__":
    sys.exit(main())
