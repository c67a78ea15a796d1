"""The drills of ``docs/day-2``: three nodes over SSH that have the tutorial's Service.

``python -m tests.docs.day_two [PAGE…]`` writes what the commands print now into the pages.
"""

from __future__ import annotations

import re
import shlex
import sys
import tempfile
from pathlib import Path

from tests.docs import console
from tests.docs.console import ROOT

PAGES = sorted(p for p in (ROOT / "docs/day-2").glob("*.md") if p.name != "index.md")

_run_as_is = console.run  # the rewriter is given ``run`` instead

_BEGIN = """
find . -mindepth 1 -maxdepth 1 ! -name .lab -exec rm -r {} + &&
svcform init && cp .lab/inventory.yml . && svcform trust --auto-approve &&
svcform apply --auto-approve
"""
_VARIABLE = (
    (re.compile(r"/tmp/\S+/"), "/tmp/FOLDER/"),
    (re.compile(r"\b[0-9a-f]{12}\b"), "DIGEST"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"), "TIME"),
    (re.compile(r"(10\.96\.\d+\.\d+)"), "CLUSTER-IP"),
    (re.compile(r" {2,}"), "  "),
)


def run(command, folder):
    """What a command prints for the person ``ops`` at the machine ``laptop``."""
    words = f"hostname laptop && LOGNAME=ops exec sh -c {shlex.quote(command)}"
    return _run_as_is(f"exec unshare --uts sh -c {shlex.quote(words)}", folder)


def normal(text):
    text = console.normal(text)
    for pattern, word in _VARIABLE:
        text = pattern.sub(word, text)
    return text


def begin(folder):
    """A new project in the lab's folder, applied."""
    said = run(_BEGIN, folder)
    assert "applied: node-1, node-2, node-3" in said, said


def end(folder):
    """The nodes as they were found, whatever the drill left."""
    revive = "for n in 1 2 3; do svcform lab exec node-$n sh -c 'kill -0 $(cat /run/sshd.pid)' "
    revive += "2>/dev/null || svcform lab exec node-$n /usr/sbin/sshd; done"
    run(revive, folder)
    run("rm -f known_hosts; svcform trust --auto-approve", folder)
    said = run("svcform destroy --auto-approve --take-over", folder)
    assert "[exit code" not in said, said


def _rewrite(page, folder):
    begin(folder)
    try:
        page.write_text(console.rewrite(page.read_text(), folder))
    finally:
        end(folder)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="svcform-day-") as place:
        try:
            _run_as_is("svcform lab up --nodes 3", place)
            console.run = run
            for path in map(Path, sys.argv[1:] or PAGES):
                _rewrite(path, place)
        finally:
            _run_as_is("svcform lab down", place)
