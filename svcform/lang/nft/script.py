"""Scripts for ``nft -f``: one transaction each.

Every command stands on one line; elements stand on lines of their own between ``{`` and ``}``, so
that a node can fold scripts into one by line, with awk.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

#: The first line of every script: a node knows by it what to keep.
HEAD = "# svcform nftables"


@dataclass(frozen=True, slots=True)
class Script:
    """Commands for tables of one name, in the order in which they were added."""

    table: str
    commands: list[str] = field(default_factory=list)

    def create_table(self, family: str) -> None:
        """Fails where it is there already."""
        self.commands.append(f"create table {family} {self.table}")

    def replace_table(self, family: str) -> None:
        """An empty table in the place of whatever is there, if anything."""
        table = f"{family} {self.table}"
        self.commands.extend([f"add table {table}", f"delete table {table}", f"add table {table}"])

    def delete_table(self, family: str) -> None:
        """With all that is in it."""
        self.commands.append(f"delete table {family} {self.table}")

    def add_set(self, family: str, kind: str, name: str, properties: Sequence[str]) -> None:
        """``kind`` is ``set`` or ``map``."""
        inside = " ".join(f"{line};" for line in _ordered(properties))
        self.commands.append(f"add {kind} {family} {self.table} {name} {{ {inside} }}")

    def add_chain(self, family: str, name: str, hook: str) -> None:
        """An empty chain, of which ``hook`` is empty where others go to it."""
        base = f" {{ {hook}; }}" if hook else ""
        self.commands.append(f"add chain {family} {self.table} {name}{base}")

    def add_rules(self, family: str, chain: str, rules: Iterable[str]) -> None:
        """Behind those that the chain has."""
        head = f"add rule {family} {self.table} {chain}"
        self.commands.extend([f"{head} {rule}" for rule in rules])

    def flush(self, family: str, kind: str, name: str) -> None:
        """Empty a chain, set or map."""
        self.commands.append(f"flush {kind} {family} {self.table} {name}")

    def delete(self, family: str, kind: str, name: str) -> None:
        """A chain, set or map."""
        self.commands.append(f"delete {kind} {family} {self.table} {name}")

    def create_elements(self, family: str, name: str, elements: Sequence[str]) -> None:
        """The transaction fails where one is there already."""
        self._elements("create", family, name, elements)

    def add_elements(self, family: str, name: str, elements: Sequence[str]) -> None:
        """For sets of intervals, of which nft 1.0.6 can't create elements."""
        self._elements("add", family, name, elements)

    def delete_elements(self, family: str, name: str, keys: Sequence[str]) -> None:
        """The transaction fails where one isn't there."""
        self._elements("delete", family, name, keys)

    def _elements(self, verb: str, family: str, name: str, elements: Sequence[str]) -> None:
        if elements:
            self.commands.append(f"{verb} element {family} {self.table} {name} {{")
            self.commands.append(",\n".join(elements))
            self.commands.append("}")

    def write(self) -> bytes:
        """The bytes; none at all without commands."""
        if not self.commands:
            return b""
        return "\n".join([HEAD, *self.commands, ""]).encode()


def _ordered(properties: Sequence[str]) -> list[str]:
    """Nft wants the type first."""
    return sorted(properties, key=lambda line: not line.startswith("type"))
