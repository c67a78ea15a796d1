"""CoreDNS's configuration: written from a template, and read back to see what it serves.

The language is Caddy's (https://coredns.io/manual/configuration/): server blocks with keys, in
them plugins, in those options.  Snippets, ``(name) { … }``, stand for what they hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from svcform.lang.template import TemplateMistake, line_of, render_template
from svcform.model.template import Template

#: What a template of the Corefile sees.
NAMES = ("zones", "listen", "forward")
#: Answered by a block of svcform's own, by which it knows that a Corefile is served.
_OWN_KEY = "version.bind"
#: A zone that is read again later than this is not proven in time.
_LONGEST_RELOAD = 10
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}


class ZoneBlock(NamedTuple):
    """A zone to serve: its name without the last dot, and its file."""

    name: str
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """What a Corefile has to serve: zones, at addresses, and the servers for other names."""

    zones: Sequence[ZoneBlock]
    listen: Sequence[str]
    forward: Sequence[str]


EXAMPLES = (
    Serving(
        zones=(ZoneBlock("cluster.local", "/etc/zone"), ZoneBlock("10.in-addr.arpa", "/etc/back")),
        listen=("192.0.2.1", "2001:db8::1"),
        forward=("192.0.2.53",),
    ),
    Serving(zones=(ZoneBlock("cluster.local", "/etc/zone"),), listen=("192.0.2.1",), forward=()),
)


def write(template: Template, serving: Serving) -> str:
    """The server blocks; raises TemplateMistake where they don't serve what they should."""
    values = {
        "zones": [zone._asdict() for zone in serving.zones],
        "listen": list(serving.listen),
        "forward": list(serving.forward),
    }
    text = render_template(template, values)
    lines = text.splitlines()
    try:
        for problem in _problems(read(text), serving):
            raise problem
    except _Problem as problem:
        there = lines[problem.line - 1] if 0 < problem.line <= len(lines) else ""
        raise TemplateMistake(template, line_of(template, there), problem.reason) from problem
    return text


@dataclass(slots=True)
class Block:
    """A server block, a plugin or an option: its words, its line from 1, and what is in it."""

    words: tuple[str, ...]
    line: int
    inside: list[Block] = field(default_factory=list)

    def named(self, name: str) -> list[Block]:
        """What in it begins with this word."""
        return [found for found in self.inside if found.words[:1] == (name,)]


class _Problem(ValueError):
    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line, self.reason = line, reason


def read(text: str) -> list[Block]:
    """The blocks, with snippets in place of what imports them.  Raises ValueError."""
    root = Block((), 0)
    open_blocks = [root]
    for number, line in enumerate(text.splitlines(), start=1):
        words = _words(line)
        if words == ["}"]:
            if len(open_blocks) == 1:
                raise _Problem(number, "a brace is closed that was not opened")
            open_blocks.pop()
            continue
        if "{" in words[:-1] or "}" in words:
            raise _Problem(number, "a brace has to end its line, or be alone on it")
        if words:
            block = Block(tuple(word for word in words if word != "{"), number)
            open_blocks[-1].inside.append(block)
            if words[-1] == "{":
                open_blocks.append(block)
    if len(open_blocks) > 1:
        raise _Problem(open_blocks[-1].line, "a brace is not closed")
    return _expanded(root.inside)


def _words(line: str) -> list[str]:
    words = re.findall(r'"(?:\\.|[^"\\])*"|\S+', line)
    # A comment begins with a word; in the middle of a word # is a letter.
    end = next((place for place, word in enumerate(words) if word.startswith("#")), len(words))
    return words[:end]


def _expanded(blocks: Sequence[Block]) -> list[Block]:
    snippets = {
        b.words[0][1:-1]: b.inside for b in blocks if b.words and re.match(r"\(.*\)$", b.words[0])
    }
    servers = [b for b in blocks if not (b.words and b.words[0].startswith("("))]
    for block in servers:
        block.inside = list(_imported(block.inside, snippets))
    return servers


def _imported(inside: Iterable[Block], snippets: Mapping[str, list[Block]]) -> Iterator[Block]:
    for block in inside:
        if block.words[0] == "import" and len(block.words) > 1 and block.words[1] in snippets:
            yield from snippets[block.words[1]]
        else:
            yield block


def _problems(blocks: Sequence[Block], serving: Serving) -> Iterator[_Problem]:
    by_zone = {zone: block for block in blocks for zone in _zones_of(block)}
    for block in blocks:
        if _OWN_KEY in _zones_of(block):
            yield _Problem(block.line, f"{_OWN_KEY} is answered by svcform's own block")
        bound = {word for found in block.named("bind") for word in found.words[1:]}
        if bound != set(serving.listen):
            yield _Problem(
                block.line,
                "this block has to bind exactly the addresses in `listen` "
                '(`bind {{ listen | join(" ") }}`), as all of them have to',
            )
    for zone in serving.zones:
        block = by_zone.get(zone.name, Block((), 0))
        files = [found for found in block.named("file") if zone.file in found.words]
        if not any(_is_read_again(found) for found in files):
            yield _Problem(
                block.line,
                f"nothing serves the zone {zone.name} on port 53 by `file {zone.file}` with a "
                f"`reload` of at most {_LONGEST_RELOAD} s, which an apply waits for",
            )


def _zones_of(block: Block) -> Iterator[str]:
    for word in block.words:
        key = word.rstrip(",").removeprefix("dns://").lower()
        name, _, port = key.partition(":")
        if port in {"", "53"}:
            yield name.rstrip(".")


def _is_read_again(file: Block) -> bool:
    return any(
        0 < _seconds(found.words[1]) <= _LONGEST_RELOAD
        for found in file.named("reload")
        if found.words[1:]
    )


def _seconds(text: str) -> float:
    """A duration as Go has it (``1m30s``); 0 for anything else."""
    if not re.fullmatch(r"(\d+(\.\d+)?(ms|s|m|h))+", text):
        return 0
    return sum(
        float(number) * _UNITS[unit] for number, unit in re.findall(r"([\d.]+)(ms|s|m|h)", text)
    )
