"""The steps of an apply, and how to have a node hold still at each."""

from __future__ import annotations

from dataclasses import dataclass

from tests.faults.node import Stop


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A row of the table.

    At ``stop`` the node holds still.  ``phase`` is a word in the summary of the program's step that
    it is about, in ``stop``'s pattern ``@STEP@`` stands for its number.  ``fails`` names another
    such step that is made to fail before, so that the run goes back.  In one that is ``confirmed``
    the confirmation has arrived.
    """

    name: str
    title: str
    stop: Stop
    phase: str = ""
    fails: str = ""
    guard: bool = True
    worker: bool = True
    confirmed: bool = False


def _program(name: str, title: str, phase: str) -> Step:
    return Step(
        name=name,
        title=title,
        phase=phase,
        stop=Stop(tool="sh", pattern="*step.@STEP@.command*", after=True),
    )


_COMMITTING = '[ committing = "$(/bin/cat /var/lib/svcform/runs/*/phase | grep committing)" ]'

STEPS = (
    Step(
        name="carrying",
        title="half of the bundle has arrived",
        stop=Stop(tool="cat", pattern="*' ' ", half=True),
        guard=False,
        worker=False,
    ),
    Step(
        name="unpacked",
        title="the bundle is unpacked, the runner about to start",
        stop=Stop(tool="sh", pattern="*runner\\ work*"),
        guard=False,
        worker=False,
    ),
    Step(
        name="locked",
        title="the lock is taken",
        stop=Stop(tool="ln", pattern="*/lock*", after=True),
        guard=False,
    ),
    Step(
        name="checkpoint",
        title="the checkpoint is being written",
        stop=Stop(tool="sh", pattern="*checkpoint.iptables.save*", after=True),
        guard=False,
    ),
    Step(
        name="armed",
        title="the guard is armed, the rehearsal about to begin",
        stop=Stop(tool="sh", pattern="*.rehearsal*"),
    ),
    Step(
        name="before",
        title="before the first step",
        stop=Stop(tool="sh", pattern="*step.0000.command*"),
    ),
    _program("host", "in the middle of *host*: settings have come", "settings that come"),
    _program("make", "in the middle of *make*: filter's new chains are in", "ip filter"),
    _program("switch", "in the middle of *switch*: IPv4's nat is new, IPv6's old", "ip nat"),
    _program("break", "in the middle of *break*: settings have gone", "settings that go"),
    _program("forget", "in the middle of *forget*: UDP connections are ended", "conntrack"),
    Step(
        name="read-back",
        title="the read-back",
        stop=Stop(tool="sh", pattern="*/reading\\ *"),
    ),
    Step(
        name="awaiting",
        title="waiting for the confirmation",
        stop=Stop(tool="sed", pattern="*s/^/journal*"),
    ),
    Step(
        name="confirming",
        title="the confirmation has arrived, the guard has not seen it",
        stop=Stop(tool="sh", pattern="*runner\\ confirm*"),
        confirmed=True,
    ),
    Step(
        name="committing",
        title="the guard has begun to commit",
        stop=Stop(tool="sync", given=_COMMITTING),
        confirmed=True,
    ),
    Step(
        name="storing",
        title="half of the new state is stored",
        stop=Stop(tool="mv", pattern="*/after\\ */confirmed\\ *"),
        confirmed=True,
    ),
    Step(
        name="restoring",
        title="the node is going back: half is restored",
        fails="settings that go",
        stop=Stop(tool="sh", pattern="*/checkpoint/iptables.restore*", after=True),
    ),
)
BY_NAME = {step.name: step for step in STEPS}
#: Where the mode matters, in nftables mode: one transaction switches both families.
NFTABLES_STEPS = (
    BY_NAME["before"],
    _program("switch", "after *switch*: both families are new", "nft: changes"),
    BY_NAME["break"],
    BY_NAME["read-back"],
    Step(
        name="restoring",
        title="the node is going back: half is restored",
        fails="settings that go",
        stop=Stop(tool="sh", pattern="*/checkpoint/nftables.restore*", after=True),
    ),
)
BY_MODE = {"iptables": STEPS, "nftables": NFTABLES_STEPS}
