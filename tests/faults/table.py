"""What becomes of a node, for each step and each fault; and the same as a table for people."""

from __future__ import annotations

from tests.faults.faults import FAULTS
from tests.faults.steps import STEPS

#: ``old`` and ``new`` are states of the node; ``either`` is one of them, by what had arrived;
#: ``later`` is the old one, put back by who comes next, for nobody was left on the node;
#: ``-`` is a cell that makes no sense, see :data:`SENSELESS`.
OUTCOMES = """
            none controller runner guard both sshd   link disk user pty    hand tool reboot
carrying    new  either     old    -     -    either old  old  old  either old  old  old
unpacked    new  old        old    -     -    new    old  old  old  new    old  old  old
locked      new  old        old    -     -    new    old  old  old  new    old  old  old
checkpoint  new  old        old    -     -    new    old  old  old  new    new  old  old
armed       new  old        old    old   old  new    old  old  old  new    new  old  old
rehearsal   new  old        old    old   old  new    old  old  old  new    new  old  old
before      new  old        old    old   old  new    old  old  old  new    new  old  old
host        new  old        old    old   old  new    old  old  old  new    new  old  old
make        new  old        old    old   old  new    old  old  old  new    new  old  old
switch      new  old        old    old   old  new    old  old  old  new    old  old  old
break       new  old        old    old   old  new    old  old  old  new    old  -    old
forget      new  old        old    new   old  new    old  old  old  new    old  -    old
read-back   new  old        old    new   old  new    old  old  old  new    old  -    old
awaiting    new  old        new    new   new  new    old  new  new  new    new  -    old
confirming  new  new        new    new   new  new    new  new  new  new    new  -    old
committing  new  new        new    new   new  new    new  new  new  new    new  -    new
storing     new  new        new    new   new  new    new  new  new  new    new  -    new
restoring   old  old        old    old   old  old    old  old  old  old    old  old  old
"""

#: Why, by the fault.
SENSELESS = {
    "guard": "There is no guard yet.",
    "both": "There is no guard yet.",
    "tool": "iptables-restore is not called any more.",
}


def expected() -> dict[tuple[str, str], str]:
    """The outcome of each cell, by the names of its step and its fault."""
    rows = [line.split() for line in OUTCOMES.strip().splitlines()]
    names = rows[0]
    return {
        (row[0], fault): word
        for row in rows[1:]
        for fault, word in zip(names, row[1:], strict=True)
    }


def markdown() -> str:
    """The table of docs/reliability.md."""
    cells = expected()
    columns = [fault for fault in FAULTS if fault.name != "none"]
    head = ["while the node is at…", *(fault.title for fault in columns)]
    lines = [_line(head), _line(["---"] * len(head))]
    for step in STEPS:
        lines.append(_line([step.title, *(_WORDS[cells[step.name, f.name]] for f in columns)]))
    return "".join(lines)


_WORDS = {
    "old": "old",
    "new": "**new**",
    "either": "either¹",
    "later": "old²",
    "-": "\N{EN DASH}",
}


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


def fits(word: str, state: str) -> bool:
    """Whether a node in such a state is what the table says."""
    return state in {"either": ("old", "new"), "later": ("old next",)}.get(word, (word,))
