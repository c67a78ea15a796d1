"""How nodes stand, on one screen: those that stand alike share a line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from svcform.plan.node_status import IN_STEP, NodeStatus
from svcform.plan.receipt import LockHolder, Receipt
from svcform.views.plan_json import document, problem_json
from svcform.views.text import Palette, clean, clean_lines, columns, joined, plural, shorten

_HEAD = ("STATE", "NODES", "PLAN", "OUTCOME", "BY", "FROM", "WHEN")
_NONE = "<none>"
_Likeness = tuple[tuple[str, ...], tuple[str, ...]]


def status_text(nodes: Sequence[NodeStatus], palette: Palette) -> str:
    """The table, then locks and problems in sentences, then the counts."""
    alike: dict[_Likeness, list[NodeStatus]] = {}
    for node in nodes:
        alike.setdefault((node.words, _last(node.receipt)), []).append(node)
    rows = [_HEAD, *(_row(key, group) for key, group in alike.items())]
    words = Counter(word for node in nodes for word in node.words)
    counts = ", ".join(f"{count} {word}" for word, count in words.items())
    colour = "green" if set(words) == {*IN_STEP} else "yellow"
    return (
        joined(columns(rows))
        + joined(_notes(nodes, palette))
        + joined([palette.paint(f"{plural(len(nodes), 'node')}: {counts}.", colour)])
    )


def _last(receipt: Receipt | None) -> tuple[str, ...]:
    if receipt is None:
        return (_NONE,) * 4
    texts = (receipt.plan[:12], receipt.outcome, receipt.who, receipt.source)
    return tuple(text or _NONE for text in texts)


def _row(key: _Likeness, group: Sequence[NodeStatus]) -> tuple[str, ...]:
    words, last = key
    names = shorten([node.node for node in group], 3)
    count = f" ({len(group)})" if len(group) > 1 else ""
    when = max((node.receipt.when for node in group if node.receipt), default=_NONE)
    return (", ".join(words), names + count, *last, when)


def _notes(nodes: Sequence[NodeStatus], palette: Palette) -> list[str]:
    """What else there is to know, each sentence once with its nodes."""
    said: dict[str, list[str]] = {}
    for node in nodes:
        for sentence in _sentences(node):
            said.setdefault(sentence, []).append(node.node)
    lines = []
    for sentence, names in said.items():
        first, *others = clean_lines(sentence)
        lines += [f"{palette.paint(clean(shorten(names, 3)), 'bold')}: {first}"]
        lines += [f"    {line}" for line in others]
    return lines


def _sentences(node: NodeStatus) -> list[str]:
    found = []
    if node.problem:
        found.append(f"{node.problem.message} {node.problem.remedy}".rstrip())
    if node.receipt and node.receipt.outcome in {"rolled-back", "failed-changed"}:
        found.append(f"The last apply was {node.receipt.outcome}: {node.receipt.detail}")
    if node.guarded:
        found.append("A guard waits for the confirmation of an apply, else puts the node back.")
    if node.lock:
        verb = "is locked by" if node.lock.alive else "has a lock that was left behind by"
        found.append(f"It {verb} {node.lock}.")
    if node.play_lock and node.play_lock.alive:
        found.append(f"It holds its play's lock for {node.play_lock}.")
    return found


def status_json(nodes: Sequence[NodeStatus], *, exit_code: int) -> str:
    """The document of kind ``status``; docs/json.md describes it."""
    body = {"exit_code": exit_code, "nodes": [_node_json(node) for node in nodes]}
    return document("status", body)


def _node_json(node: NodeStatus) -> Mapping[str, Any]:
    return {
        "name": node.node,
        "in_step": node.words == IN_STEP,
        "never": node.never,
        "behind": node.behind,
        "drifted": node.drifted,
        "changing": node.changing,
        "guard_pending": node.guarded,
        "changes": node.changes,
        "last": receipt_json(node.receipt) if node.receipt else None,
        "lock": lock_json(node.lock),
        "play_lock": lock_json(node.play_lock),
        "problem": problem_json(node.problem),
    }


def receipt_json(receipt: Receipt) -> Mapping[str, Any]:
    """A receipt, as ``status`` and ``history`` print it."""
    return {
        "number": receipt.number,
        "run": receipt.run,
        "plan": receipt.plan,
        "project_id": receipt.project,
        "layout": receipt.layout,
        "before": receipt.before,
        "after": receipt.after,
        "who": receipt.who,
        "from": receipt.source,
        "when": receipt.when,
        "outcome": receipt.outcome,
        "message": receipt.detail,
    }


def lock_json(lock: LockHolder | None) -> Mapping[str, Any] | None:
    """Who holds, or left, a lock."""
    if lock is None:
        return None
    return {
        "who": lock.who,
        "from": lock.source,
        "since": lock.since,
        "plan": lock.plan,
        "phase": lock.phase,
        "alive": lock.alive,
    }
