"""Long lists of a plan in few lines: ten thousand records are read by nobody."""

from __future__ import annotations

from collections.abc import Iterable

from svcform.views.meaning import Item
from svcform.views.text import shorten

#: So many DNS records of a class of nodes are shown one by one.
MOST_RECORDS = 100


def fold_records(items: Iterable[Item]) -> tuple[Item, ...]:
    """The items, but one for all zones that hold nothing and come or go.

    Where still too many are DNS records, one for each zone, type and action of those.
    """
    listed = _fold_empty_zones(tuple(items))
    records = [item for item in listed if _is_record(item)]
    if len(records) <= MOST_RECORDS:
        return listed
    groups: dict[tuple[str, str, str], list[str]] = {}
    for item in records:
        _, zone, name, kind = item.key
        groups.setdefault((zone, kind, item.action), []).append(name)
    folded = [_group(*key, names) for key, names in groups.items()]
    return tuple(sorted((*(item for item in listed if not _is_record(item)), *folded)))


def _fold_empty_zones(items: tuple[Item, ...]) -> tuple[Item, ...]:
    zones: dict[str, list[Item]] = {}
    for item in filter(_is_record, items):
        zones.setdefault(item.key[1], []).append(item)
    empty: dict[str, list[str]] = {}
    for zone, records in zones.items():
        if _holds_nothing(zone, records):
            empty.setdefault(records[0].action, []).append(zone)
    empty = {action: names for action, names in empty.items() if len(names) > 1}
    folded = {zone for names in empty.values() for zone in names}
    if not folded:
        return items
    kept = [item for item in items if not (_is_record(item) and item.key[1] in folded)]
    return tuple(sorted((*kept, *(_empty(action, names) for action, names in empty.items()))))


def _holds_nothing(zone: str, records: list[Item]) -> bool:
    """Whether a zone comes or goes with what every zone has, and the record that says "empty"."""
    kinds = {(item.key[2], item.key[3]) for item in records}
    needed = {(zone, "SOA"), (f"_nodata.{zone}", "TXT")}
    is_empty = needed <= kinds <= {*needed, (zone, "NS")}
    return is_empty and len({item.action for item in records}) == 1


def _empty(action: str, zones: list[str]) -> Item:
    title = f"{len(zones):,} zones that hold nothing"
    return Item(2, ("dns", zones[0], action), action, title, shorten(zones, 3))


def _is_record(item: Item) -> bool:
    return item.key[0] == "dns" and len(item.key) == 4


def _group(zone: str, kind: str, action: str, names: list[str]) -> Item:
    title = f"{len(names):,} {kind} in {zone}"
    return Item(2, ("dns", zone, kind, action), action, title, shorten(names, 3))
