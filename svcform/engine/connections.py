"""The step that makes UDP clients start anew: the last one of every program that needs it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from svcform.errors import ReadingFailed
from svcform.lang import conntrack
from svcform.model.facts import Facts
from svcform.model.net import Protocol
from svcform.model.settings import ProxyMode
from svcform.plan.services import ServiceChange, ServiceRow
from svcform.policy.connections import (
    Keeps,
    OriginalDestination,
    keeps_after,
    keeps_before,
    keeps_nothing,
    of_udp,
)
from svcform.policy.intent import Destination, Intent, PortGroup
from svcform.policy.proxied import redirected
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
    if intent.settings.proxy_mode is ProxyMode.USERSPACE:
        intent = redirected(intent)
    groups = (intent.common, intent.own) if intent.wanted else ()
    try:
        return _program(of_udp(changes), groups)
    except ValueError as error:
        raise ReadingFailed(f"The node's state folder has been damaged: {error}.") from error


def forget_holder(
    rows: Sequence[ServiceRow], intent: Intent, *, leaves: ProxyMode | None, comes: bool
) -> Program:
    """The step, and the one of the way back, where a mode that holds connections leaves or comes.

    A client that keeps sending would go on being taken to where nobody is any more.  It is sent
    anew as soon as rules have switched, before what held its connection goes.
    Raises ReadingFailed where the node's table of Services is damaged.
    """
    try:
        nothing = keeps_nothing(rows)
        keeps = nothing if leaves is None else _keeps_new(rows, intent, nothing, leaves)
    except ValueError as error:
        raise ReadingFailed(f"The node's state folder has been damaged: {error}.") from error
    return Program(
        steps=_steps(keeps, Phase.BREAK) if leaves else (),
        undo=_steps(nothing, Phase.BREAK) if comes else (),
    )


def _keeps_new(
    rows: Sequence[ServiceRow], intent: Intent, nothing: Keeps, leaves: ProxyMode
) -> Keeps:
    """What the new mode has taken meanwhile, as far as it can be told from what the old one held.

    In conntrack's table a connection of IPVS looks like one that was translated.
    """
    if not intent.wanted:
        return nothing
    now = intent.settings.proxy_mode
    if leaves is ProxyMode.IPVS and now is not ProxyMode.USERSPACE:
        return nothing
    if now is ProxyMode.USERSPACE:
        intent = redirected(intent)
    same = of_udp([ServiceChange(row, row) for row in rows])
    return {**nothing, **keeps_after(same, (intent.common, intent.own))}


def with_repaired(
    changes: Sequence[ServiceChange], rows: Iterable[ServiceRow]
) -> Sequence[ServiceChange]:
    """The changes, and the UDP rows that stay: rules of theirs may have been changed by somebody.

    Where somebody's rules took clients meanwhile, conntrack remembers.
    """
    changed = {row.key for change in changes for row in change if row}
    same = (row for row in rows if row.protocol == Protocol.UDP.value and row.key not in changed)
    return (*changes, *(ServiceChange(row, row) for row in same))


# Nodes of a class change alike: to compare 10,000 rows costs less than to write their table again.
@lru_cache(maxsize=16)
def _program(changes: tuple[ServiceChange, ...], groups: tuple[PortGroup, ...]) -> Program:
    return Program(steps=_steps(keeps_after(changes, groups)), undo=_steps(keeps_before(changes)))


def _steps(keeps: Keeps, phase: Phase = Phase.FORGET) -> tuple[Step, ...]:
    if not keeps:
        return ()
    return (
        Step(
            backend="conntrack",
            phase=phase,
            summary=f"conntrack: UDP connections to endpoints that went, frontends: {len(keeps)}",
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
