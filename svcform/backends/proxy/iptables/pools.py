"""Pools: how traffic is spread over endpoints."""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt
from typing import NamedTuple

from svcform.backends.proxy.iptables.shape import Shape
from svcform.lang.iptables import rule as r
from svcform.lang.iptables.names import stable_name
from svcform.policy.intent import Destination, Pool

#: A pool of more endpoints than this is spread in two steps.
FLAT_LIMIT = 64


class Heading(NamedTuple):
    """What a packet has to match before a rule's own matches; ``protocol`` is lower case."""

    protocol: str
    matches: tuple[r.Match, ...] = ()
    destination: str = ""

    def rule(self, target: r.Target, *matches: r.Match, source: str = "") -> str:
        """The text of a rule under this heading."""
        return r.Rule(
            target, self.matches + matches, self.protocol, source, self.destination
        ).write()

    def write(self) -> str:
        """What the texts of all rules under this heading begin with."""
        before, _, _ = self.rule(r.ACCEPT).rpartition(r.ACCEPT.write())
        return before


class Choice(NamedTuple):
    """A destination, and what is noted (and matches always) when it is chosen."""

    destination: Destination
    notes: tuple[r.Match, ...] = ()


def is_inline(pool: Pool, uses: int, shape: Shape) -> bool:
    """Whether the pool's rules stand where it is used."""
    small = len(pool.destinations) <= shape.inline_limit
    return uses == 1 and small and pool.affinity_seconds is None


def spread(heading: Heading, choices: Sequence[Choice]) -> list[str]:
    """The rules that send a packet to each destination with the same probability."""
    # There are 100,000 of these rules, so that what they share is written once.
    count, before = len(choices), heading.write()
    rules = []
    for position, (destination, notes) in enumerate(choices):
        chance = (r.one_of(count - position),) if position < count - 1 else ()
        matches = "".join([f"{match.write(heading.protocol)} " for match in (*chance, *notes)])
        rules.append(f"{before}{matches}{r.Dnat(*destination).write()}")
    return rules


def choices(pool: Pool) -> list[Choice]:
    """The destinations of a pool without affinity."""
    return [Choice(destination) for destination in pool.destinations]


def pool_chains(
    name: str, pool: Pool, protocol: str, port_name: str, shape: Shape
) -> dict[str, tuple[str, ...]]:
    """The chains of a pool that is not inline: ``name``, and those that it needs besides."""
    heading = Heading(protocol)
    if pool.affinity_seconds is None:
        return _chains(name, [], choices(pool), heading)
    lists = [_list_name(port_name, destination, shape) for destination in pool.destinations]
    returning = [
        heading.rule(r.Dnat(*destination), r.Recent(known, shape.host_mask, pool.affinity_seconds))
        for destination, known in zip(pool.destinations, lists, strict=True)
    ]
    new = [
        Choice(destination, (r.Recent(known, shape.host_mask),))
        for destination, known in zip(pool.destinations, lists, strict=True)
    ]
    return _chains(name, returning, new, heading)


def _chains(
    name: str, first: list[str], chosen: list[Choice], heading: Heading
) -> dict[str, tuple[str, ...]]:
    if len(chosen) <= FLAT_LIMIT:
        return {name: (*first, *spread(heading, chosen))}
    size = isqrt(len(chosen) - 1) + 1
    groups = [chosen[i : i + size] for i in range(0, len(chosen), size)]
    names = [stable_name("SVCFORM-G-", name, str(number)) for number in range(len(groups))]
    chains = {
        group_name: tuple(spread(heading, group))
        for group_name, group in zip(names, groups, strict=True)
    }
    left = len(chosen)
    for group_name, group in zip(names, groups, strict=True):
        chance = (r.share(len(group), left),) if len(group) < left else ()
        first.append(heading.rule(r.Goto(group_name), *chance))
        left -= len(group)
    chains[name] = tuple(first)
    return chains


def _list_name(port_name: str, destination: Destination, shape: Shape) -> str:
    return stable_name(
        "SVCFORM-", port_name, shape.family.value, destination.address, str(destination.port)
    )
