"""What ``iptables-save`` prints, grouped by table and chain; the rules stay text."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Table:
    """One table: its chains with their rules (what stands behind ``-A CHAIN``), in print order.

    ``policies`` are those of the built-in chains; chains of users have none.
    """

    chains: dict[str, list[str]] = field(default_factory=dict)
    policies: dict[str, str] = field(default_factory=dict)


def parse(text: str) -> dict[str, Table]:
    """The tables of a listing, by name; raises ValueError where it is no such listing."""
    tables: dict[str, Table] = {}
    chains: dict[str, list[str]] = {}
    policies: dict[str, str] = {}
    for line in text.split("\n"):
        if line.startswith("-A "):
            name, _, rule = line[3:].partition(" ")
            chains[name].append(rule)
        elif line.startswith(":"):
            name, policy, *_ = line[1:].split(" ")
            chains[name] = []
            if policy != "-":
                policies[name] = policy
        elif line.startswith("*"):
            table = tables.setdefault(line[1:], Table())
            chains, policies = table.chains, table.policies
        elif line and line != "COMMIT" and not line.startswith("#"):
            raise ValueError(line)
    return tables
