"""The step that makes UDP clients start anew: the last one of every program that needs it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from svcform.errors import ReadingFailed
from svcform.lang import conntrack
from svcform.model.facts import Facts
from svcform.plan.services import ServiceChange
from svcform.policy.connections import Keeps, OriginalDestination, keeps_after, keeps_before
from svcform.policy.intent import Destination, Intent
from svcform.program.program import Phase, Program, Step
from svcform.program.reading import shell_source


def forget_connections(changes: Sequence[ServiceChange], intent: Intent, facts: Facts) -> Program:
    """A step where a UDP Service changes, and the one of the way back; else nothing.

    A node without ``conntrack`` gets none: that is an error (SVC454) where it should have UDP
    Services, and must not keep it from being emptied.
    Raises ReadingFailed where the node's table of Services is damaged.
    """
    if "conntrack" not in facts.tools:
        return Program()
    try:
        after, before = keeps_after(changes, intent), keeps_before(changes)
    except ValueError as error:
        raise ReadingFailed(f"The node's state folder has been damaged: {error}.") from error
    return Program(steps=_steps(after), undo=_steps(before))


def _steps(keeps: Keeps) -> tuple[Step, ...]:
    if not keeps:
        return ()
    return (
        Step(
            backend="conntrack",
            phase=Phase.FORGET,
            summary=f"conntrack: UDP connections of {len(keeps)} frontends to endpoints that went",
            command=("sh", "-c", shell_source("connections.sh")),
            stdin=conntrack.write(_table(keeps)),
        ),
    )


def _table(keeps: Keeps) -> Iterable[conntrack.Kept]:
    shared: dict[tuple[Destination, ...], list[OriginalDestination]] = {}
    for destination, endpoints in keeps.items():
        shared.setdefault(endpoints, []).append(destination)
    for endpoints, destinations in shared.items():
        yield conntrack.Kept(destinations=tuple(destinations), endpoints=endpoints)
