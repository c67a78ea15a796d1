"""What a node remembers of svcform: its project, its table of Services, its last receipt."""

from __future__ import annotations

from dataclasses import dataclass, field

from svcform.plan.services import ServiceRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """One apply, as the node keeps it.

    ``number`` counts up by one a run.  ``outcome`` is ``applied``, ``rolled-back`` or
    ``restored`` (after a crash, or by hand).  ``when`` is the node's own clock, in UTC.
    """

    number: int
    run: str = ""
    plan: str = ""
    project: str = ""
    layout: int = 0
    before: str = ""
    after: str = ""
    who: str = ""
    source: str = ""
    when: str = ""
    outcome: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockHolder:
    """Who holds a node's lock.  A holder that is not ``alive`` left it behind."""

    run: str = ""
    plan: str = ""
    who: str = ""
    source: str = ""
    since: str = ""
    alive: bool = False

    def __str__(self) -> str:
        who, source = self.who or "somebody", self.source or "an unknown place"
        return f"{who} from {source} since {self.since} (plan {self.plan[:12]})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """All that a node remembers; a node that svcform never met has none of it.

    ``pending`` is the id of a run that was neither confirmed nor rolled back.
    """

    project_id: str = ""
    layout: int = 0
    services: tuple[ServiceRow, ...] = field(default=(), repr=False)
    receipt: Receipt | None = None
    lock: LockHolder | None = None
    pending: str = ""
