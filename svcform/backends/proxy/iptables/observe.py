"""Looks at both variants of iptables, and changes nothing by it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
from svcform.errors import ReadingFailed
from svcform.lang.iptables.save import Table, parse
from svcform.model.facts import Facts
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
    if reading is None or not reading.output:
        return {}
    try:
        return parse(reading.output.decode("utf-8", "surrogateescape"))
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


def _ours(name: str, table: Table) -> Iterator[tuple[str, NodeObject]]:
    hooks = HOOKS.get(name, ())
    for chain, rules in table.chains.items():
        if chain.startswith(PREFIX):
            yield chain, Chain(tuple(rules))
        elif chain in hooks:
            jumps = tuple(rule for rule in rules if is_ours(rule))
            if jumps:
                yield chain, Jumps(jumps)
