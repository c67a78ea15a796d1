"""What rules of nftables do with the marks of packets and connections, read off their text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from svcform.diagnostics import Diagnostic, Severity
from svcform.lang.nft.foreign import ForeignChain, chains

_WHOLE = 0xFFFFFFFF
_QUOTED = re.compile(r'"[^"]*"')
#: ``ct mark != 0x40000000/2``: nft 1.0.6 prints masks of leading bits so.
_PREFIX = re.compile(r"0x[0-9a-f]+/([0-9]+)")
_AND, _OTHERS = {"&", "and"}, {"|", "or", "^", "xor"}
#: Chains on these hooks see a packet only when its way is decided.
_LATE = frozenset({"forward", "postrouting"})


@dataclass(frozen=True, slots=True)
class MarkUse:
    """A place in a rule where it compares a mark, or sets it.

    ``mark`` is ``meta`` or ``ct``; ``changed`` are the bits that it may change; ``named`` those
    that it has in mind: of a mark that is given as a whole, as most tools do it, those that are
    set, and else those of the mask.
    """

    mark: str
    changed: int
    named: int


def uses(rule: str) -> Iterator[MarkUse]:
    """All places in a rule as nft prints it; what a map or a calculation gives is not known."""
    words = _QUOTED.sub('""', rule).replace("(", "").replace(")", "").replace(",", " ").split()
    at = 0
    while at < len(words) - 2:
        if words[at] in {"meta", "ct"} and words[at + 1] == "mark":
            at, found = _use(words, at)
            yield found
        else:
            at += 1


def _use(words: Sequence[str], start: int) -> tuple[int, MarkUse]:
    """The use that begins there, and where it ends."""
    mark, at = words[start], start + 2
    sets = words[at] == "set"
    if sets or words[at] in {"==", "!="}:
        at += 1
    base = _base(words, at)
    at += {"": 0, "number": 1}.get(base, 2)
    steps = []
    while at + 1 < len(words) and words[at] in _AND | _OTHERS and _number(words[at + 1]) >= 0:
        steps.append((words[at], _number(words[at + 1])))
        at += 2
    if sets:
        return at, _set(mark, base, words[at - 1], steps)
    named = steps[-1][1] if steps else _compared(words, at - 1 if base else at)
    return at, MarkUse(mark, 0, named)


def _compared(words: Sequence[str], at: int) -> int:
    """What a mark is compared with: a number, one with the length of a prefix, or several."""
    if at < len(words) and (found := _PREFIX.fullmatch(words[at])):
        return _WHOLE << (32 - int(found[1])) & _WHOLE
    if "{" not in words[at : at + 2]:
        return max(_number(words[at]), 0) if at < len(words) else 0
    end = words.index("}", at) if "}" in words[at:] else len(words)
    named = 0
    for word in words[at:end]:
        named |= max(_number(word), 0)
    return named


def _base(words: Sequence[str], at: int) -> str:
    """What a mark is compared with or set to first: a number, a mark, or nothing that is known."""
    if at < len(words) and _number(words[at]) >= 0:
        return "number"
    return words[at] if words[at : at + 2] in (["meta", "mark"], ["ct", "mark"]) else ""


def _set(mark: str, base: str, last: str, steps: Sequence[tuple[str, int]]) -> MarkUse:
    if base == "number":
        return MarkUse(mark, _WHOLE, _number(last))
    if base != mark:  # from the other mark, or from what is not known
        mask = _WHOLE if base else 0
        for word, number in steps:
            mask = mask & number if word in _AND else mask | number
        return MarkUse(mark, mask if base else _WHOLE, mask)
    changed = 0
    for word, number in steps:
        changed |= number ^ _WHOLE if word in _AND else number
    return MarkUse(mark, changed, changed)


def _number(text: str) -> int:
    """A number as nft prints it; -1 for any other word."""
    try:
        return int(text, 0)
    except ValueError:
        return -1


def uses_bit(rule: str, bits: int) -> bool:
    """Whether a rule reads or writes some bits of packets' marks."""
    return any(use.mark == "meta" and use.named & bits for use in uses(rule))


def foreign_uses(listing: str, node: str, bit: int) -> Iterator[Diagnostic]:
    """A warning for each foreign table that uses a bit of packets' marks, with the first rule."""
    for table, rule in _first(listing, lambda _, rule: uses_bit(rule, bit)):
        yield Diagnostic(
            "SVC404",
            Severity.WARNING,
            "Somebody else uses the masquerade mark",
            f"On {node} a foreign rule in the nftables table {table} uses the bit {bit:#x} of "
            f"packet marks: {rule}. Set masquerade_mark to a bit that nobody uses.",
        )


def leading_astray(listing: str, ours: int, bit: int) -> Iterator[tuple[str, str]]:
    """The first rule of each foreign table that may change marks on the way to IPVS.

    ``ours`` are the bits of connections' marks that lead there, ``bit`` is the masquerade mark's.
    """
    first, length = ours & -ours, ours.bit_count()
    sparing = (f"ct mark & {ours:#010x} != {first:#010x}", f"ct mark != {first:#010x}/{length} ")

    def leads(chain: ForeignChain, rule: str) -> bool:
        return not any(text in rule for text in sparing) and any(
            use.changed & (ours | bit) if use.mark == "ct" else use.changed and not _is_late(chain)
            for use in uses(rule)
        )

    return _first(listing, leads)


def _is_late(chain: ForeignChain) -> bool:
    return chain.hook in _LATE


def _first(listing: str, matches: Callable[[ForeignChain, str], bool]) -> Iterator[tuple[str, str]]:
    """The first rule of each table that matches, with the table."""
    seen = set()
    for chain in chains(listing):
        rule = next((rule for rule in chain.rules if matches(chain, rule)), "")
        if rule and chain.table not in seen:
            seen.add(chain.table)
            yield chain.table, rule
