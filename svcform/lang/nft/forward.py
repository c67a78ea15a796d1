"""Foreign nftables tables that drop what is forwarded: an accept of ours can't help there."""

from __future__ import annotations

import re
from collections.abc import Iterator

from svcform.diagnostics import Diagnostic, Severity
from svcform.lang.nft.foreign import ForeignChain, chains

_DROPS = re.compile(r"(?:counter packets \d+ bytes \d+ )?(?:drop|reject(?: with .*)?)")


def foreign_drops(listing: str, node: str) -> Iterator[Diagnostic]:
    """A warning for each chain that drops, with the command that mends it."""
    for found in chains(listing):
        if found.hook != "forward" or not _drops(found) or _accepts_translated(found):
            continue
        yield Diagnostic(
            "SVC402",
            Severity.WARNING,
            "A foreign nftables table drops forwarded packets",
            f"On {node} the chain {found.name} of the nftables table {found.table} "
            "drops what it does not know, and no rule of ours can outrank it: "
            "Services whose endpoints are elsewhere may not work. Let translated connections "
            f"through: nft insert rule {found.table} {found.name} ct status dnat accept",
        )


def _drops(chain: ForeignChain) -> bool:
    """Whether what no rule decides is dropped."""
    return chain.policy == "drop" or any(_DROPS.fullmatch(rule) for rule in chain.rules)


def _accepts_translated(chain: ForeignChain) -> bool:
    """Whether it lets connections through whose destination was rewritten."""
    return any("ct status dnat accept" in rule for rule in chain.rules)
