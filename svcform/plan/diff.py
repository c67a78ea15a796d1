"""The difference of two snapshots."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from svcform.plan.snapshot import NodeObject, ObjectAddress, Snapshot


class Action(Enum):
    """What happens to an object; always derived, never stored."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Change:
    """One object: ``before`` None is a creation, ``after`` None a deletion."""

    address: ObjectAddress
    before: NodeObject | None
    after: NodeObject | None

    @property
    def action(self) -> Action:
        """Derived from what is there before and after."""
        if self.before is None:
            return Action.CREATE
        return Action.DELETE if self.after is None else Action.UPDATE


def compare(live: Snapshot, wanted: Snapshot) -> tuple[Change, ...]:
    """All changes that lead from ``live`` to ``wanted``, sorted by address."""
    changes = [
        Change(address, live.get(address), after)
        for address, after in wanted.items()
        if live.get(address) != after
    ]
    changes += [
        Change(address, before, None) for address, before in live.items() if address not in wanted
    ]
    return tuple(sorted(changes, key=lambda change: change.address))
