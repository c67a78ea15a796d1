"""Reads the two tables, and changes nothing by it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType

from svcform.backends.contract import Probe, Reading
from svcform.backends.proxy.nftables.objects import (
    ALLOWED,
    CHAIN,
    FAMILY_WORDS,
    LEARNED,
    SET,
    SMALL,
    STRANGE,
    ChainObject,
    Declared,
    Elements,
    Item,
    address,
    is_named,
    is_of_lists,
    item_address,
)
from svcform.backends.proxy.nftables.scripts import list_script
from svcform.errors import ReadingFailed
from svcform.lang.nft.listing import NamedSet, Table, named, parse
from svcform.plan.snapshot import NodeObject, ObjectAddress, Snapshot


def probe_name(family: str) -> str:
    """``nftables.ip``."""
    return f"nftables.{family}"


def probes() -> tuple[Probe, ...]:
    """One listing for each family."""
    return tuple(
        Probe(name=probe_name(family), script=list_script(family))
        for family in FAMILY_WORDS.values()
    )


def read(readings: Mapping[str, Reading]) -> Snapshot:
    """All that is in our tables, but for what traffic has filled."""
    found: dict[ObjectAddress, NodeObject] = {}
    for family in FAMILY_WORDS.values():
        reading = readings.get(probe_name(family))
        if reading and reading.output:
            found |= _read(reading.output, family)
    return MappingProxyType(found)


@lru_cache(maxsize=4)
def _read(output: bytes, family: str) -> Mapping[ObjectAddress, NodeObject]:
    try:
        table = parse(output.decode("utf-8", "surrogateescape"))
    except (ValueError, IndexError) as error:
        message = f"The listing of the table {family} svcform has what isn't understood"
        raise ReadingFailed(f"{message}: {error}.") from error
    return dict(_objects(table, family))


def _objects(table: Table, family: str) -> Iterator[tuple[ObjectAddress, NodeObject]]:
    if table.flags:
        yield address(family, STRANGE, "flags"), Declared("table", table.flags)
    for name in table.others:
        yield address(family, STRANGE, name), Declared("table", ())
    for name, chain in table.chains.items():
        yield address(family, CHAIN, name), ChainObject(chain.hook, chain.rules, chain.listed)
    grouped: dict[str, list[Item]] = {}
    for name, found in table.sets.items():
        elements = tuple(sorted(found.elements)) if name in SMALL else ()
        yield address(family, SET, name), Declared(found.kind, found.properties, elements)
        if name in SMALL or name in LEARNED:
            continue
        if is_of_lists(name) or name == ALLOWED:
            for item in _items(name, found):
                first = item[1].partition(" . ")[0].partition(" : ")[0]
                grouped.setdefault(f"{name == ALLOWED} {first}", []).append(item)
        else:
            for item in _items(name, found):
                yield item_address(family, item), Elements((item,))
    for items in grouped.values():
        items.sort()
        yield item_address(family, items[0]), Elements(tuple(items))


def _items(name: str, found: NamedSet) -> Iterator[Item]:
    if is_named(name):
        return ((name, named(element)) for element in found.elements)
    return ((name, element) for element in found.elements)
