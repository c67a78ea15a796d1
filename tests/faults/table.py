"""What becomes of a node, for each step and each fault; and the same as tables for people."""

from __future__ import annotations

from tests.faults import faults, steps
from tests.faults.faults import Fault
from tests.faults.steps import Step

#: ``old`` and ``new`` are states of the node; ``either`` is one of them, by what had arrived;
#: ``later`` and ``ahead`` are the old one and the new one, brought about by who comes next, for
#: nobody was left on the node;
#: ``-`` is a cell that makes no sense, see :data:`SENSELESS`.
OUTCOMES = {
    "iptables": """
            none controller runner guard both all   sshd   link disk user pty    hand tool reboot
carrying    new  either     old    -     -    old   either old  old  old  either old  old  old
unpacked    new  old        old    -     -    old   new    old  old  old  new    old  old  old
locked      new  old        old    -     -    old   new    old  old  old  new    old  old  old
checkpoint  new  old        old    -     -    old   new    old  old  old  new    new  old  old
armed       new  old        old    old   old  old   new    old  old  old  new    new  old  old
before      new  old        old    old   old  old   new    old  old  old  new    new  old  old
host        new  old        old    old   old  later new    old  old  old  new    new  old  old
make        new  old        old    old   old  later new    old  old  old  new    new  old  old
switch      new  old        old    old   old  later new    old  old  old  new    old  old  old
break       new  old        old    old   old  later new    old  old  old  new    old  -    old
forget      new  old        old    new   old  later new    old  old  old  new    old  -    old
read-back   new  old        old    new   old  later new    old  old  old  new    old  -    old
awaiting    new  old        new    new   new  later new    old  new  new  new    new  -    old
confirming  new  new        new    new   new  later new    new  new  new  new    new  -    old
committing  new  new        new    new   new  ahead new    new  new  new  new    new  -    new
storing     new  new        new    new   new  ahead new    new  new  new  new    new  -    new
restoring   old  old        old    old   old  later old    old  old  old  old    old  old  old
""",
    "nftables": """
            runner guard both all   disk hand tool reboot
before      old    old   old  old   old  new  old  old
switch      old    old   old  later old  new  -    old
break       old    old   old  later old  new  -    old
read-back   old    new   old  later old  new  -    old
restoring   old    old   old  later old  old  old  old
""",
}

#: Why, by the fault.
SENSELESS = {
    "guard": "There is no guard yet.",
    "both": "There is no guard yet.",
    "tool": "No rules are changed any more.",
}


def expected(mode: str = "iptables") -> dict[tuple[str, str], str]:
    """The outcome of each cell, by the names of its step and its fault."""
    rows = [line.split() for line in OUTCOMES[mode].strip().splitlines()]
    names = rows[0]
    return {
        (row[0], fault): word
        for row in rows[1:]
        for fault, word in zip(names, row[1:], strict=True)
    }


def cells(mode: str) -> list[tuple[Step, Fault]]:
    """All cells of a mode's table that make sense, those that take long first."""
    found = [
        (step, faults.BY_NAME[name])
        for step in steps.BY_MODE[mode]
        for (row, name), word in expected(mode).items()
        if row == step.name and word != "-"
    ]
    return sorted(found, key=lambda cell: not cell[1].slow)


def markdown(mode: str = "iptables") -> str:
    """A table of docs/reliability.md."""
    words = expected(mode)
    shown = [faults.BY_NAME[name] for name in dict.fromkeys(fault for _, fault in words)]
    shown = [fault for fault in shown if fault.name != "none"]
    head = ["while the node is at…", *(fault.title for fault in shown)]
    lines = [_line(head), _line(["---"] * len(head))]
    for step in steps.BY_MODE[mode]:
        lines.append(_line([step.title, *(_WORDS[words[step.name, f.name]] for f in shown)]))
    return "".join(lines)


_WORDS = {
    "old": "old",
    "new": "**new**",
    "either": "either¹",
    "later": "old²",
    "ahead": "**new**²",
    "-": "\N{EN DASH}",
}


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


def fits(word: str, state: str) -> bool:
    """Whether a node in such a state is what the table says."""
    fitting = {"either": ("old", "new"), "later": ("old next",), "ahead": ("new next",)}
    return state in fitting.get(word, (word,))
