"""What ``ipset save`` prints, and what ``ipset restore`` takes: sets and their elements."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from svcform.model.net import Family

_FAMILIES = {Family.IPV4: "inet", Family.IPV6: "inet6"}
#: What a version prints of a set besides what it is: sizes, and the seed of its hash.
_PASSING = frozenset({"hashsize", "maxelem", "bucketsize", "initval"})
#: The kernel's own limit is 65536 unless it is told another.
_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedSet:
    """A set as it was made; ``options`` are all others than its family and sizes, sorted."""

    name: str
    type: str
    family: Family
    options: tuple[str, ...] = ()

    def write(self) -> str:
        """``create NAME hash:ip,port family inet maxelem 1048576 skbinfo``."""
        words = ["create", self.name, self.type, "family", _FAMILIES[self.family]]
        return " ".join([*words, "maxelem", str(_LIMIT), *self.options])


@dataclass(frozen=True, slots=True)
class Saved:
    """A set of a listing, and its elements: what stands behind ``add NAME``."""

    head: NamedSet
    elements: list[str] = field(default_factory=list)


def parse(text: str) -> dict[str, Saved]:
    """The sets of a listing by name; raises ValueError where it is no such listing."""
    found: dict[str, Saved] = {}
    for line in text.splitlines():
        if line.startswith("add "):
            _, name, element = line.split(" ", 2)
            if name not in found:
                raise ValueError(line)
            found[name].elements.append(element)
        elif line.startswith("create "):
            head = _head(line)
            found[head.name] = Saved(head)
        elif line:
            raise ValueError(line)
    return found


def _head(line: str) -> NamedSet:
    _, name, kind, *rest = line.split(" ")
    family, options, words = Family.IPV4, [], iter(rest)
    for word in words:
        if word == "family":
            family = Family.IPV6 if next(words, "") == "inet6" else Family.IPV4
        elif word in _PASSING:
            next(words, "")
        else:
            options.append(word)
    return NamedSet(name=name, type=kind, family=family, options=tuple(sorted(options)))


def element(key: str, mark: int | None = None) -> str:
    """``10.96.0.1,tcp:80 skbmark 0x40000020``: the whole word of a packet's mark, or no mark."""
    return key if mark is None else f"{key} skbmark {mark:#x}"


def key_of(text: str) -> str:
    """The key of an element."""
    return text.partition(" ")[0]


def mark_of(text: str) -> int | None:
    """The mark that an element gives a packet."""
    _, found, rest = text.partition(" skbmark ")
    return int(rest.split(" ")[0].partition("/")[0], 16) if found else None


@dataclass(frozen=True, slots=True)
class Restore:
    """Input for ``ipset -exist restore``: what is there is brought up to date."""

    lines: list[str] = field(default_factory=list)

    def create(self, head: NamedSet) -> None:
        """Make a set, unless it is there as it should be."""
        self.lines.append(head.write())

    def add(self, name: str, elements: Iterable[str]) -> None:
        """Put elements in; one with another mark gets this one."""
        self.lines.extend(f"add {name} {each}" for each in elements)

    def delete(self, name: str, keys: Iterable[str]) -> None:
        """Take elements out."""
        self.lines.extend(f"del {name} {key}" for key in keys)

    def write(self) -> bytes:
        """The input."""
        return "".join(f"{line}\n" for line in self.lines).encode()
