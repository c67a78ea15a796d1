"""DNS zones as values: record sets, with no serial and in no file's syntax."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class RecordSet(NamedTuple):
    """All records of one name and type (RFC 2181 section 5; a tuple: there are 100,000 of them).

    ``name`` is absolute, lower case, with its last dot.  ``rdatas`` are presentation texts with
    absolute names, sorted, each once.  ``ttl`` is in seconds.
    """

    name: str
    type: str
    ttl: int
    rdatas: tuple[str, ...]

    @property
    def key(self) -> tuple[str, str]:
        """What tells two record sets of a zone apart."""
        return (self.name, self.type)

    def lines(self) -> tuple[str, ...]:
        """The records as they stand in a zone file."""
        head = f"{self.name} {self.ttl} IN {self.type} "
        return tuple([head + rdata for rdata in self.rdatas])


@dataclass(frozen=True, slots=True, kw_only=True)
class Soa:
    """A start of authority without its serial; times are seconds (RFC 1035 section 3.3.13)."""

    primary: str
    mailbox: str
    refresh: int = 7200
    retry: int = 1800
    expire: int = 86400
    minimum: int = 5
    ttl: int = 5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Zone:
    """One zone: ``origin`` is its name with the last dot, ``records`` are sorted by name and type.

    Compared by identity: nodes that serve the same zones hold the same objects.
    """

    origin: str
    soa: Soa
    records: tuple[RecordSet, ...] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Zones:
    """All zones that a node serves: the forward zone first, then the others by name."""

    zones: tuple[Zone, ...]
