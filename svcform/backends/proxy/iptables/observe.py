"""Looks at both variants of iptables, and changes nothing by it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType

from svcform.backends.contract import Probe, Reading
from svcform.backends.proxy.iptables.objects import (
    FAMILY_WORDS,
    HOOKS,
    PREFIX,
    Chain,
    Jumps,
    Variant,
    address,
    is_ours,
)
from svcform.backends.proxy.iptables.scripts import save_script
from svcform.backends.proxy.iptables.tools import variant_of
from svcform.errors import ReadingFailed
from svcform.lang.iptables.save import Table, parse
from svcform.model.facts import Facts
from svcform.model.net import Family
from svcform.plan.snapshot import NodeObject, ObjectAddress, Snapshot


def probe_name(variant: Variant, family: str) -> str:
    """``iptables.nft.ip``."""
    return f"iptables.{variant.value}.{family}"


def probes() -> tuple[Probe, ...]:
    """One listing for each variant and family."""
    return tuple(
        Probe(name=probe_name(variant, family), script=save_script(variant, family))
        for variant in Variant
        for family in FAMILY_WORDS.values()
    )


def listing(readings: Mapping[str, Reading], variant: Variant, family: str) -> dict[str, Table]:
    """What one of the probes saw, by table; nothing where the kernel has none.

    Raises :class:`ReadingFailed` if it is no listing.
    """
    reading = readings.get(probe_name(variant, family))
    return _parse(reading.output if reading else b"", variant, family)


# One node's four listings, asked for by each of its findings; nodes of a class may print the same.
@lru_cache(maxsize=4)
def _parse(output: bytes, variant: Variant, family: str) -> dict[str, Table]:
    try:
        return parse(output.decode("utf-8", "surrogateescape"))
    except (ValueError, KeyError) as error:
        message = f"The listing of {variant.value} {family} tables has a line that isn't understood"
        raise ReadingFailed(f"{message}: {error}.") from error


def read(readings: Mapping[str, Reading], facts: Facts) -> Snapshot:  # noqa: ARG001 - the contract's
    """All chains of ours, and our jumps, in both variants and families."""
    found: dict[ObjectAddress, NodeObject] = {}
    for variant in Variant:
        for family in FAMILY_WORDS.values():
            for name, table in listing(readings, variant, family).items():
                for chain, value in _ours(name, table):
                    found[address(variant, family, name, chain)] = value
    return MappingProxyType(found)


def filtered(readings: Mapping[str, Reading], facts: Facts) -> frozenset[Family]:
    """The families for which somebody else uses iptables' filter, and may have it drop any time.

    An empty table is nobody's: listing it with iptables-nft makes one.
    Raises :class:`ReadingFailed` as :func:`listing` does.
    """
    variant = variant_of(facts)
    return frozenset(
        family
        for family, word in FAMILY_WORDS.items()
        if _is_used(readings.get(probe_name(variant, word)), variant, word)
    )


def _is_used(reading: Reading | None, variant: Variant, family: str) -> bool:
    _, start, rest = (reading.output if reading else b"").partition(b"*filter\n")
    only = start + rest.partition(b"\nCOMMIT\n")[0]
    table = _parse(only, variant, family).get("filter", Table())
    return table.policies.get("FORWARD") == "DROP" or any(
        not chain.startswith(PREFIX) and not all(map(is_ours, rules))
        for chain, rules in table.chains.items()
    )


def _ours(name: str, table: Table) -> Iterator[tuple[str, NodeObject]]:
    hooks = HOOKS.get(name, ())
    for chain, rules in table.chains.items():
        if chain.startswith(PREFIX):
            yield chain, Chain(tuple(rules))
        elif chain in hooks:
            jumps = tuple(rule for rule in rules if is_ours(rule))
            if jumps:
                yield chain, Jumps(jumps)
