"""Foreign nftables tables that drop what a mode needs: an accept of ours can't help there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from svcform.diagnostics import Diagnostic, Severity
from svcform.lang.nft.foreign import ForeignChain, chains
from svcform.model.facts import ClosedInput

_COUNTER = re.compile(r"counter packets \d+ bytes \d+ ")
_DROPS = re.compile(rf"(?:{_COUNTER.pattern})?(?:drop|reject(?: with .*)?)")
#: Where a rule lets in ports: ``tcp dport 22 accept``, ``tcp dport { 80, 30000-32767 } accept``.
_PORTS = re.compile(r"(?:tcp|th) dport (?:\{ ([^}]*) \}|(\S+)) (?:.* )?accept\b")
_RANGE = re.compile(r"(\d+)(?:-(\d+))?")


class Passage(NamedTuple):
    """What has to get through a hook: the match of a rule, and how nft prints it."""

    hook: str
    match: str
    printed: tuple[str, ...]


#: Modes that translate what they forward.
FORWARDED = (Passage("forward", "ct status dnat", ("ct status dnat",)),)
#: Modes that translate to a program on the node.
TAKEN_IN = (Passage("input", "ct status dnat", ("ct status dnat",)),)


def marked(mark: int, mask: int) -> tuple[Passage, ...]:
    """For a mode whose connections have a mark, and are the node's own to the kernel."""
    match = f"ct mark and {mask:#010x} == {mark:#010x}"  # a shell has another use for &
    printed = (match.replace("and", "&"), f"ct mark {mark:#010x}/{mask.bit_count()}")
    return tuple(Passage(hook, match, printed) for hook in ("input", "forward", "output"))


def foreign_drops(
    listing: str, node: str, passages: Sequence[Passage] = FORWARDED
) -> Iterator[Diagnostic]:
    """A warning for each chain that drops, with the command that mends it."""
    for found in chains(listing):
        for passage in passages:
            if found.hook != passage.hook or not _drops(found) or _lets(found, passage):
                continue
            yield Diagnostic(
                "SVC402",
                Severity.WARNING,
                "A foreign nftables table drops packets to Services",
                f"On {node} the chain {found.name} of the nftables table {found.table} "
                "drops what it does not know, and no rule of ours can outrank it: "
                f"Services {_CUT[passage.hook]} may not work. Let their connections "
                f"through: nft insert rule {found.table} {found.name} {passage.match} accept",
            )


_CUT = {
    "forward": "whose endpoints are elsewhere",
    "input": "asked from elsewhere",
    "output": "and their endpoints",
}


def closed_inputs(listing: str) -> Iterator[ClosedInput]:
    """Foreign chains that let in to the node only what they know."""
    every = list(chains(listing))
    for found in every:
        if found.hook == "input" and _drops(found):
            rules = (rule for chain in every if chain.table == found.table for rule in chain.rules)
            yield ClosedInput(
                f"the chain {found.name} of the nftables table {found.table}",
                f"nft insert rule {found.table} {found.name} tcp dport '{{ ",
                " }' accept",
                tuple(span for rule in rules for span in _let_in(rule)),
            )


def _let_in(rule: str) -> Iterator[tuple[int, int]]:
    for several, one in _PORTS.findall(rule):
        for first, last in _RANGE.findall(several or one):
            yield int(first), int(last or first)


def _drops(chain: ForeignChain) -> bool:
    """Whether what no rule decides is dropped."""
    return chain.policy == "drop" or any(_DROPS.fullmatch(rule) for rule in chain.rules)


def _lets(chain: ForeignChain, passage: Passage) -> bool:
    """Whether it lets through what has to get through."""
    texts = [f"{text} accept" for text in passage.printed]
    rules = [_COUNTER.sub("", rule) for rule in chain.rules]
    return any(text in rule for rule in rules for text in texts)
