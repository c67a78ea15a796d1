"""Long lists of a plan in few lines: ten thousand records are read by nobody."""

from __future__ import annotations

from collections.abc import Iterable

from svcform.views.meaning import Item
from svcform.views.text import shorten

#: So many DNS records of a class of nodes are shown one by one.
MOST_RECORDS = 100


def fold_records(items: Iterable[Item]) -> tuple[Item, ...]:
    """The items; where too many are DNS records, one for each zone, type and action of those."""
    listed = tuple(items)
    records = [item for item in listed if _is_record(item)]
    if len(records) <= MOST_RECORDS:
        return listed
    groups: dict[tuple[str, str, str], list[str]] = {}
    for item in records:
        _, zone, name, kind = item.key
        groups.setdefault((zone, kind, item.action), []).append(name)
    folded = [_group(*key, names) for key, names in groups.items()]
    return tuple(sorted((*(item for item in listed if not _is_record(item)), *folded)))


def _is_record(item: Item) -> bool:
    return item.key[0] == "dns" and len(item.key) == 4


def _group(zone: str, kind: str, action: str, names: list[str]) -> Item:
    title = f"{len(names):,} {kind} in {zone}"
    return Item(2, ("dns", zone, kind, action), action, title, shorten(names, 3))
