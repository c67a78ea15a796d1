"""Guards: what a plan may only do when it was said aloud.  They count Services, not objects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from svcform.diagnostics import Diagnostic, Severity
from svcform.model.node import Play
from svcform.plan.plan import NodePlan
from svcform.plan.services import ServiceChange, ServiceRow

MANY = 10
SHARE = 0.30
_ALLOCATED = ("ClusterIP ", "LoadBalancer ", "NodePort ")
_UNREADABLE_BUT = {"ownership", "input"}


def guard_deletions(nodes: Sequence[NodePlan]) -> tuple[Diagnostic, ...]:
    """SVC501: a node loses more than 30 % of its Services, or endpoints, of which it has 10."""
    losers = [(node.node, what) for node in nodes if not node.absent for what in _losses(node)]
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


def _losses(node: NodePlan) -> Iterable[str]:
    gone = [c for c in node.service_changes if c.before]
    if not gone:
        return
    after = {row.key: row for row in node.services}
    before = {**after, **{c.before.key: c.before for c in gone if c.before}}
    for change in node.service_changes:
        if change.before is None and change.after is not None:
            del before[change.after.key]
    for word, count in (("Services", _services), ("endpoints", _endpoints)):
        old, new = count(before.values()), count(after.values())
        lost = len(old - new)
        if len(old) >= MANY and lost > SHARE * len(old):
            yield f"{lost} of its {len(old)} {word}"


def _services(rows: Iterable[ServiceRow]) -> set[str]:
    return {row.service for row in rows}


def _endpoints(rows: Iterable[ServiceRow]) -> set[tuple[str, str]]:
    return {(row.name, endpoint) for row in rows for endpoint in row.endpoints}


def guard_renumbering(nodes: Sequence[NodePlan]) -> tuple[Diagnostic, ...]:
    """SVC502: a Service that lives gets another clusterIP, load-balancer address or node port."""
    found = {
        (change.after.name, old, new)
        for node in nodes
        for change in node.service_changes
        if change.before and change.after
        for old, new in _renumbered(change)
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


def _renumbered(change: ServiceChange) -> Iterable[tuple[str, str]]:
    for kind in _ALLOCATED:
        before, after = (
            {text for text in row.frontends if text.startswith(kind)} if row else set()
            for row in change
        )
        if before and after and before - after:
            yield " ".join(sorted(before - after)), " ".join(sorted(after))


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
    return f", and {count} other nodes lose as much" if count else ""


def _refusal(code: str, summary: str, detail: str) -> Diagnostic:
    return Diagnostic(code, Severity.ERROR, summary, detail)
