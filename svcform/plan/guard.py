"""Guards: what a plan may only do when it was said aloud.  They count Services, not objects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from svcform.diagnostics import Diagnostic, Severity
from svcform.model.node import Play
from svcform.plan.plan import NodePlan
from svcform.plan.services import ServiceChange, ServiceRow

MANY = 10
SHARE = 0.30
_ALLOCATED = {"ClusterIP", "LoadBalancer", "NodePort"}
_UNREADABLE_BUT = {"ownership", "input"}


def guard_deletions(nodes: Sequence[NodePlan]) -> tuple[Diagnostic, ...]:
    """SVC501: a node loses more than 30 % of its Services, or endpoints, of which it has 10."""
    tables = _Tables()
    losers = [(n.node, what) for n in nodes if not n.absent for what in _losses(n, tables)]
    if not losers:
        return ()
    name, what = losers[0]
    others = len({loser for loser, _ in losers}) - 1
    return (
        _refusal(
            "SVC501",
            "Many Services or endpoints would go",
            f"{name} would lose {what}{_and_others(others)}. Say --allow-deletions if that is "
            "what you want.",
        ),
    )


class _Tables:
    """Rows by Service, for each table once: nodes of a class have the very same rows."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Sequence[ServiceRow], _ByService]] = {}

    def of(self, rows: Sequence[ServiceRow]) -> _ByService:
        if id(rows) not in self._known:
            self._known[id(rows)] = (rows, _by_service(rows))
        return self._known[id(rows)][1]


_ByService = Mapping[str, Sequence[ServiceRow]]


def _by_service(rows: Iterable[ServiceRow]) -> _ByService:
    found: dict[str, list[ServiceRow]] = {}
    for row in rows:
        found.setdefault(row.service, []).append(row)
    return found


def _losses(node: NodePlan, tables: _Tables) -> Iterable[str]:
    if not _may_lose_many(node.service_changes):
        return
    before = _by_service(change.before for change in node.service_changes if change.before)
    after = tables.of(node.services)
    made = {change.after.key for change in node.service_changes if change.after}
    # Of the Services that change: all their rows of before, also those that stay as they are.
    touched = before.keys() | {c.after.service for c in node.service_changes if c.after}
    old = {
        name: [*before.get(name, ()), *(r for r in after.get(name, ()) if r.key not in made)]
        for name in touched
    }
    gone = sum(1 for name in touched if old[name] and name not in after)
    new = sum(1 for name in touched if not old[name])
    yield from _too_many("Services", gone, len(after) + gone - new)
    counts = {name: (_endpoints(old[name]), _endpoints(after.get(name, ()))) for name in touched}
    fewer = sum(max(was - now, 0) for was, now in counts.values())
    total = sum(map(_endpoints, after.values())) + sum(was - now for was, now in counts.values())
    yield from _too_many("endpoints", fewer, total)


def _may_lose_many(changes: Iterable[ServiceChange]) -> bool:
    """Whether as much goes as has to for a refusal; on most nodes of most plans it doesn't."""
    least = SHARE * MANY
    services = {c.before.service for c in changes if c.before and not c.after}
    if len(services) > least:
        return True
    lost = 0
    for before, after in changes:
        if before:
            lost += (
                len(before.endpoints)
                if after is None
                else len(set(before.endpoints) - set(after.endpoints))
            )
    return lost > least


def _too_many(word: str, lost: int, total: int) -> Iterable[str]:
    if total >= MANY and lost > SHARE * total:
        yield f"{lost} of its {total} {word}"


def _endpoints(rows: Iterable[ServiceRow]) -> int:
    """How many addresses a Service has endpoints at: one that is replaced is none the less."""
    return len({text.rpartition(":")[0] for row in rows for text in row.endpoints})


def guard_renumbering(nodes: Sequence[NodePlan]) -> tuple[Diagnostic, ...]:
    """SVC502: a Service that lives gets another clusterIP, load-balancer address or node port."""
    # Nodes of a class have the very same changes; who only gains rows can't renumber any.
    tables = {id(node.service_changes): node.service_changes for node in nodes}
    found = {
        each
        for changes in tables.values()
        if any(change.before for change in changes)
        for each in _renumbered(changes)
    }
    return tuple(
        _refusal(
            "SVC502",
            "A live address would change",
            f"{name} would change from {old} to {new}, and its clients would not know. Say "
            "--allow-renumber if that is what you want.",
        )
        for name, old, new in sorted(found)
    )


def _renumbered(changes: Iterable[ServiceChange]) -> Iterable[tuple[str, str, str]]:
    """Whose, from and to.  Addresses are a Service's, node ports are a port's."""
    held: dict[tuple[str, str, str], tuple[set[str], set[str]]] = {}
    for change in changes:
        for side, row in enumerate(change):
            for text in row.frontends if row else ():
                kind, _, where = text.partition(" ")
                address, _, _ = where.rpartition(":")
                if row and kind in _ALLOCATED:
                    key = (row.service if address else row.name, row.family, kind)
                    held.setdefault(key, (set(), set()))[side].add(address or where)
    for (name, _, kind), (before, after) in held.items():
        if before - after and after - before:
            old, new = (", ".join(sorted(each)) for each in (before - after, after - before))
            yield name, f"{kind} {old}", f"{kind} {new}"


def guard_lockout(nodes: Sequence[NodePlan]) -> tuple[Diagnostic, ...]:
    """SVC504: a node's new rules would cut a connection that has to stay."""
    losers = [node for node in nodes if node.cuts and not node.is_empty]
    if not losers:
        return ()
    first, others = losers[0], len(losers) - 1
    more = f" So it is on {others} other node{'s' if others > 1 else ''}." if others else ""
    return tuple(
        _refusal(
            "SVC504",
            "A connection that must stay would be cut",
            f"On {first.node} {cut}.{more} Give the Service another address or port, or correct "
            "the setting behind the rule; --allow-lockout goes on all the same.",
        )
        for cut in first.cuts
    )


def guard_unreadable(plays: Sequence[Play], nodes: Sequence[NodePlan]) -> tuple[Diagnostic, ...]:
    """SVC503: more than half of a play's nodes could not be read."""
    unreadable = {n.node for n in nodes if n.problem and n.problem.reason not in _UNREADABLE_BUT}
    known = {node.node for node in nodes}
    found = []
    for play in plays:
        mine = [name for name in play.nodes if name in known]
        counts = Counter(name in unreadable for name in mine)
        if counts[True] * 2 > len(mine):
            found.append(
                _refusal(
                    "SVC503",
                    "Most nodes of a play can't be read",
                    f"{counts[True]} of the {len(mine)} nodes of the play {play.name!r} can't be "
                    "read. Say --allow-unreachable to go on with the others.",
                )
            )
    return tuple(found)


def _and_others(count: int) -> str:
    if not count:
        return ""
    return f", and {count} other node{'s lose' if count > 1 else ' loses'} as much"


def _refusal(code: str, summary: str, detail: str) -> Diagnostic:
    return Diagnostic(code, Severity.ERROR, summary, detail)
