"""What ``nft -n list table`` prints, by set and by chain.

Text and not JSON: 100,000 elements are 5.5 MB of text and 8 MB of JSON, and take nft as long.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache

from svcform.lang.nft import rule

#: Protocols by the numbers that ``nft -n`` prints of them.
PROTOCOLS = {"6": "tcp", "17": "udp", "132": "sctp"}
_NUMBERS = {name: number for number, name in PROTOCOLS.items()}
#: What a table can have besides sets and chains (nft 1.1).
_OTHERS = frozenset({"counter", "quota", "limit", "ct", "secmark", "synproxy", "flowtable"})
_TIMES = re.compile(r" (?:timeout|expires) \S+")
_PRIORITIES = {
    ("prerouting", "dstnat"): "-100",
    ("output", "dstnat"): "-100",
    ("postrouting", "srcnat"): "100",
}


@dataclass(frozen=True, slots=True)
class NamedSet:
    """A set or a map: ``kind`` is one of these words, ``properties`` its lines but the elements.

    ``elements`` are keys, or keys and data with `` : `` between them.
    """

    kind: str
    properties: tuple[str, ...]
    elements: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain: its hook (empty for one that is jumped to) and its rules, both canonical.

    ``listed`` are its lines as they were printed.
    """

    hook: str
    rules: tuple[str, ...]
    listed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """One table; ``flags`` are its own, ``dormant`` for one that does nothing.

    ``others`` are what else it has, by kind and name: ``counter NAME``, ``flowtable NAME``.
    """

    sets: dict[str, NamedSet] = field(default_factory=dict)
    chains: dict[str, Chain] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


def parse(text: str) -> Table:
    """One table, as ``nft list table`` or ``nft -n list table`` prints it.

    Raises ValueError for text that is none.
    """
    table = Table()
    flags: list[str] = []
    others: list[str] = []
    lines = iter(text.splitlines())
    for line in lines:
        words = line.split()
        if not words or words[0] in {"table", "}"}:
            continue
        if words[0] == "flags":
            flags += words[1:]
            continue
        block = list(_block(lines))
        if words[0] in {"set", "map"}:
            table.sets[words[1]] = _set(words[0], block)
        elif words[0] == "chain":
            table.chains[words[1]] = _chain(block)
        elif words[0] in _OTHERS:
            others.append(" ".join(words[:-1]))
        else:
            raise ValueError(f"{line.strip()[:60]!r} is neither a set nor a chain")
    return replace(table, flags=tuple(flags), others=tuple(others))


def _block(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        if line == "\t}":
            return
        yield line.strip()
    raise ValueError("the listing ends inside of a block")


def _set(kind: str, block: list[str]) -> NamedSet:
    start = next((n for n, line in enumerate(block) if line.startswith("elements = {")), len(block))
    properties = [line.rstrip(";") for line in block[:start]]
    elements: list[str] = []
    if start < len(block):
        text = "".join(block[start:]).removeprefix("elements = {").removesuffix("}")
        elements = [_without_times(element.strip()) for element in text.split(",")]
    return NamedSet(kind, tuple(sorted(map(_property, properties))), tuple(elements))


def _without_times(element: str) -> str:
    return _TIMES.sub("", element) if " expires " in element or " timeout " in element else element


def _property(line: str) -> str:
    word, _, rest = line.partition(" ")
    if word == "flags":
        return "flags " + ",".join(sorted(flag.strip() for flag in rest.split(",")))
    return " ".join(line.split())


def _chain(block: list[str]) -> Chain:
    hook, listed = "", tuple(block)
    if block and block[0].startswith("type "):
        hook, block = _hook(block[0]), block[1:]
    return Chain(hook, tuple(rule.canonical(line) for line in block), listed)


@lru_cache(maxsize=1024)
def _hook(line: str) -> str:
    """``type nat hook prerouting priority -100``; another policy than accept is said, too."""
    text = line.replace(" policy accept;", "").strip().rstrip(";")
    head, _, priority = text.rpartition(" priority ")
    if not head:
        return text
    base, *rest = priority.split()
    name = head.split()[-1]
    base = _PRIORITIES.get((name, base), {"filter": "0"}.get(base, base))
    return f"{head} priority {''.join([base, *rest])}"


def named(element: str) -> str:
    """An element of frontends or node ports with its protocol's name, for people."""
    return _translated(element, PROTOCOLS)


def numbered(element: str) -> str:
    """The same with its protocol's number, for nft."""
    return _translated(element, _NUMBERS)


def _translated(element: str, words: dict[str, str]) -> str:
    key, colon, data = element.partition(" : ")
    parts = key.split(" . ")
    at = len(parts) - 2  # the protocol stands before the port
    parts[at] = words.get(parts[at], parts[at])
    return " . ".join(parts) + colon + data
