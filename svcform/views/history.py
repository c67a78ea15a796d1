"""A node's receipts as a table, the latest first."""

from __future__ import annotations

from collections.abc import Sequence

from svcform.plan.receipt import Receipt
from svcform.views.plan_json import document
from svcform.views.status import receipt_json
from svcform.views.text import columns, joined

_HEAD = ("NUMBER", "WHEN", "OUTCOME", "PLAN", "BEFORE", "AFTER", "BY", "FROM")
_NONE = "<none>"


def history_text(receipts: Sequence[Receipt]) -> str:
    """The table, each receipt's message under it; a sentence where there is none."""
    if not receipts:
        return "Nothing was ever applied.\n"
    table = columns([_HEAD, *map(_row, receipts)])
    messages = [f"{r.number}: {r.detail}" for r in receipts if r.detail]
    return joined(table) + joined(messages and columns([[m] for m in messages]))


def _row(receipt: Receipt) -> tuple[str, ...]:
    texts = (
        receipt.when,
        receipt.outcome,
        receipt.plan[:12],
        receipt.before[:12],
        receipt.after[:12],
        receipt.who,
        receipt.source,
    )
    return (str(receipt.number), *(text or _NONE for text in texts))


def history_json(node: str, receipts: Sequence[Receipt]) -> str:
    """The document of kind ``history``."""
    return document("history", {"node": node, "receipts": [receipt_json(r) for r in receipts]})
