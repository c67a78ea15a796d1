"""What the diff compares: chains of ours, and our rules in built-in chains."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import Enum

from svcform.lang.iptables.read import canonical
from svcform.model.net import Family
from svcform.plan.snapshot import ObjectAddress

BACKEND = "iptables"

#: What every chain of ours begins with; a rule that goes to such a chain is ours, too.
PREFIX = "SVCFORM-"

#: The built-in chains that can hold jumps of ours.
HOOKS = {
    "mangle": ("PREROUTING", "OUTPUT"),
    "nat": ("PREROUTING", "OUTPUT", "POSTROUTING"),
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
}


class Variant(Enum):
    """Which of the two sets of tools, and of kernel tables, a rule is in."""

    NFT = "nft"
    LEGACY = "legacy"


#: How a family is spelt in addresses, and how its tools' names begin.
FAMILY_WORDS = {Family.IPV4: "ip", Family.IPV6: "ip6"}
TOOL_PREFIXES = {"ip": "iptables", "ip6": "ip6tables"}


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """A chain of ours: its rules in order, each as it stands behind ``-A CHAIN``.

    Two chains are equal if their rules mean the same, however a version prints them; what isn't
    understood is compared as text.  ``rules`` are as they were written, or printed; those that we
    write are canonical.
    """

    rules: tuple[str, ...]
    is_canonical: bool = False

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Chain):
            return NotImplemented
        if self.rules == other.rules:
            return True
        return len(self.rules) == len(other.rules) and all(
            mine == theirs or canonical(mine) == canonical(theirs)
            for mine, theirs in zip(self.rules, other.rules, strict=True)
        )

    __hash__ = None  # type: ignore[assignment] # equality looks through spelling

    def lines(self) -> tuple[str, ...]:
        """The rules, in canonical form."""
        return self.rules if self.is_canonical else tuple(map(canonical, self.rules))


@dataclass(frozen=True, slots=True, eq=False)
class Jumps:
    """Our rules in a built-in chain.

    Their order, and what stands between them, is not compared: others insert theirs, too.  A rule
    that is there twice is a difference.
    """

    rules: tuple[str, ...]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Jumps):
            return NotImplemented
        return self.rules == other.rules or self._meaning() == other._meaning()

    __hash__ = None  # type: ignore[assignment] # equality looks through spelling

    def _meaning(self) -> Counter[str]:
        return Counter(canonical(rule) for rule in self.rules)

    def lines(self) -> tuple[str, ...]:
        """The rules, in canonical form, sorted."""
        return tuple(sorted(map(canonical, self.rules)))


def address(variant: Variant, family: str, table: str, chain: str) -> ObjectAddress:
    """``iptables nft ip nat SVCFORM-SERVICES``."""
    return ObjectAddress(BACKEND, (variant.value, family, table, chain))


def is_ours(rule: str) -> bool:
    """Whether a rule of a built-in chain goes to a chain of ours."""
    return f"-j {PREFIX}" in rule or f"-g {PREFIX}" in rule
