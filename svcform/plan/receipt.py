"""What a node keeps of an apply, and of who is at work on it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """One apply, as the node keeps it.

    ``number`` counts up by one a run.  ``outcome`` is ``applied``, ``rolled-back`` or
    ``restored`` (after a crash, or by hand).  ``when`` is the node's own clock, in UTC; ``svcform``
    is the version that applied, as far as it is known.
    """

    number: int
    run: str = ""
    plan: str = ""
    project: str = ""
    layout: int = 0
    svcform: str = ""
    before: str = ""
    after: str = ""
    who: str = ""
    source: str = ""
    when: str = ""
    outcome: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockHolder:
    """Who holds a node's lock, or a play's.  A holder that is not ``alive`` left it behind.

    ``phase`` is how far the run is that holds a node's lock: ``running``, ``awaiting`` (a guard
    waits for its confirmation), ``restoring``, ``committing``; empty where it changed nothing yet.
    """

    run: str = ""
    plan: str = ""
    who: str = ""
    source: str = ""
    since: str = ""
    phase: str = ""
    alive: bool = False

    def __str__(self) -> str:
        who, source = self.who or "somebody", self.source or "an unknown place"
        return f"{who} from {source} since {self.since} (plan {self.plan[:12]})"
