"""Foreign nftables tables that drop what is forwarded: an accept of ours can't help there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from svcform.diagnostics import Diagnostic, Severity

#: Prints the tables on the forward hook, but for those that iptables-nft shows and our own.
#: Chains are listed because nft 1.0.6 reads every rule for "list tables": 18 s where there are
#: 110,000.
LIST_FOREIGN = r"""
command -v nft >/dev/null 2>&1 || exit 90
nft list chains | awk '
  $1 == "table" { table = $2 " " $3 }
  / hook forward / { print table }
' | sort -u | while read -r family table; do
  case $family:$table in
  ip:nat | ip:filter | ip:mangle | ip:raw | ip:security) ;;
  ip6:nat | ip6:filter | ip6:mangle | ip6:raw | ip6:security) ;;
  ip:svcform | ip6:svcform) ;;
  *) nft -t list table "$family" "$table" || exit 1 ;;
  esac
done
"""

#: Tables that let Services through by themselves, or are another of svcform's own backends.
_KNOWN = {"svcform", "kube-proxy"}
_HOOK = re.compile(r"type filter hook forward priority [^;]+; policy (accept|drop);")
_DROPS = re.compile(r"(?:counter packets \d+ bytes \d+ )?(?:drop|reject(?: with .*)?)")


class BaseChain(NamedTuple):
    """A base chain on the forward hook, as nft prints it: its policy and its rules."""

    family: str
    table: str
    chain: str
    policy: str
    rules: tuple[str, ...]

    @property
    def drops(self) -> bool:
        """Whether what no rule decides is dropped."""
        return self.policy == "drop" or any(_DROPS.fullmatch(rule) for rule in self.rules)

    @property
    def accepts_translated(self) -> bool:
        """Whether it lets connections through whose destination was rewritten."""
        return any("ct status dnat accept" in rule for rule in self.rules)


def forward_chains(listing: str) -> Iterator[BaseChain]:
    """The base chains on the forward hook in what ``nft list table`` printed."""
    family = table = chain = policy = ""
    rules: list[str] = []
    for line in listing.splitlines():
        depth, text = len(line) - len(line.lstrip("\t")), line.strip()
        words = text.split()
        if depth == 0 and words[:1] == ["table"]:
            family, table = words[1], words[2]
        elif depth == 1 and words[:1] == ["chain"]:
            chain, policy, rules = words[1], "", []
        elif depth == 1 and text == "}" and policy:
            yield BaseChain(family, table, chain, policy, tuple(rules))
            policy = ""
        elif depth == 2 and (found := _HOOK.match(text)):
            policy = found[1]
        elif depth == 2 and policy:
            rules.append(text)


def foreign_drops(listing: str, node: str) -> Iterator[Diagnostic]:
    """A warning for each chain that drops, with the command that mends it."""
    for found in forward_chains(listing):
        if found.table in _KNOWN or not found.drops or found.accepts_translated:
            continue
        where = f"{found.family} {found.table} {found.chain}"
        yield Diagnostic(
            "SVC402",
            Severity.WARNING,
            "A foreign nftables table drops forwarded packets",
            f"On {node} the chain {found.chain} of the nftables table {found.family} "
            f"{found.table} drops what it does not know, and no rule of ours can outrank it: "
            "Services whose endpoints are elsewhere may not work. Let translated connections "
            f"through: nft insert rule {where} ct status dnat accept",
        )
