"""The exact bytes to run on a node, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Phase(IntEnum):
    """When a step runs: make before break, across backends (smallest first)."""

    HOST = 10
    """Host settings, new addresses."""
    MAKE = 20
    """New objects that nothing refers to yet."""
    SWITCH = 30
    """The change of what traffic sees."""
    BREAK = 40
    """The removal of what nothing refers to any more."""
    UNHOST = 50
    """Host settings that go."""
    FORGET = 60
    """The end of connections that the kernel would keep taking where nothing is any more."""
    DRAIN = 70
    """What goes when its last connection has ended, which may take its time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One command on the node.

    ``command`` is an argument vector, run by the runner with ``stdin`` as its standard input.
    ``rehearsal`` is the same with the tool's own dry run (``iptables-restore --test``), or empty
    where there is none; it gets the same ``stdin``.  All rehearsals pass before the first command.
    ``summary`` is one line for people and for the journal.
    With ``stores`` the command only puts ``stdin`` into a file, as it is: it comes back in no
    listing and no checkpoint, and no room is kept for that.
    With ``waits`` it only passes so many seconds: they don't count for the run's time limit.
    """

    backend: str
    phase: Phase
    summary: str
    command: tuple[str, ...]
    stdin: bytes = b""
    stores: bool = False
    waits: int = 0
    rehearsal: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """What must not have moved on the node between plan and apply.

    ``script`` is constant sh of the backend's own (no text from a manifest in it), run on the node
    under the node's lock with ``operands`` as its standard input (names of the objects that the
    plan changes, those they refer to, and the hooks, one a line); what it prints must be
    ``expected``, byte for byte.  ``expected`` is computed from the same reading as the plan.
    """

    backend: str
    script: str
    operands: bytes
    expected: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """How a node keeps, and puts back, all that a backend owns there.

    Both are constant sh that a backend ships; ``$1`` is a directory of the backend's own in
    svcform's state folder.  ``save`` writes the live state into it; ``restore`` makes the live
    state equal to what is in it, whatever the live state is by then, and leaves alone what is
    equal: it runs at every boot, and again with every restart of a firewall.  Both exit non-zero on
    failure, and both must do nothing, successfully, on a node without the backend's tools and
    objects.  A disk may be full: ``save`` fails where it can't write all of it (``keep.sh``), and
    rules are restored without room.

    All backends are restored twice, so that traffic is never without a way: with ``coming`` as
    ``$2`` in the order in which they are given, and then backwards with ``going``.  One whose
    folder has nothing in it that traffic needs waits for ``going``, and others do all in
    ``coming``, unless they can part it.  Without ``$2`` it does both.
    Where connections end with what is going, a ``coming`` makes a file of the folder's name with
    ``.goes`` at its end: UDP clients are sent anew then, after all that comes.

    Where a tool's listing does not all load again, ``save`` can keep the run's own bytes.  After
    the steps, before the state is confirmed, ``$2`` of ``save`` is the folder of the run, and empty
    for the checkpoint of before.  Its file ``steps`` has a line for each step, in their order,
    number, backend and summary between tabs, and ``step.NUMBER.stdin`` is what the step was given.
    ``$SVCFORM_STATE/confirmed/BACKEND``, if it is there, is what the last confirmed ``save`` wrote.

    ``SVCFORM_BOOT`` is ``boot`` for a ``restore`` before the network has addresses, after which
    another one follows with ``late``; what can't be done yet is no failure then.
    """

    backend: str
    save: str
    restore: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """The steps, in the order they run, and the steps that undo them."""

    steps: tuple[Step, ...] = ()
    undo: tuple[Step, ...] = ()
    fingerprints: tuple[Fingerprint, ...] = ()

    @property
    def waits(self) -> int:
        """The seconds that its steps wait."""
        return sum(step.waits for step in self.steps)
