"""Foreign nftables tables: what is listed of them, and their chains."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

#: Prints the tables that packets to Services come through, but for those that iptables-nft shows,
#: kube-proxy's, and our own.  Chains are listed because nft 1.0.6 reads every rule for "list
#: tables": 18 s where there are 110,000.
LIST_FOREIGN = r"""
command -v nft >/dev/null 2>&1 || exit 90
nft list chains | awk '
  $1 == "table" { table = $2 " " $3 }
  / hook (prerouting|input|forward|output|postrouting) / { print table }
' | sort -u | while read -r family table; do
  case $family:$table in
  ip:nat | ip:filter | ip:mangle | ip:raw | ip:security) ;;
  ip6:nat | ip6:filter | ip6:mangle | ip6:raw | ip6:security) ;;
  *:svcform | *:kube-proxy) ;;
  *) nft -t list table "$family" "$table" || exit 1 ;;
  esac
done
"""

_HOOK = re.compile(r"type \S+ hook (\S+) priority [^;]+; policy (accept|drop);")


@dataclass(frozen=True, slots=True)
class ForeignChain:
    """A chain as nft prints it; hook and policy are empty where it is no base chain."""

    table: str
    name: str
    hook: str
    policy: str
    rules: tuple[str, ...]


def chains(listing: str) -> Iterator[ForeignChain]:
    """The chains in what ``nft list table`` printed; ``table`` is ``inet firewalld``."""
    table = name = hook = policy = ""
    rules: list[str] = []
    for line in listing.splitlines():
        depth, text = len(line) - len(line.lstrip("\t")), line.strip()
        words = text.split()
        if depth == 0 and words[:1] == ["table"]:
            table = " ".join(words[1:3])
        elif depth == 1 and words[:1] == ["chain"]:
            name, hook, policy, rules = words[1], "", "", []
        elif depth == 1 and text == "}" and name:
            yield ForeignChain(table, name, hook, policy, tuple(rules))
            name = ""
        elif depth == 2 and name and (found := _HOOK.match(text)):
            hook, policy = found.groups()
        elif depth == 2 and name:
            rules.append(text)
