"""Snapshots: what is, and what should be, object by object."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable


class ObjectAddress(NamedTuple):
    """Where an object is: the backend, then the backend's own words (table, chain, …).

    Its text is what a person sees: ``iptables nft ip nat SVCFORM-SERVICES``.
    """

    backend: str
    path: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join((self.backend, *self.path))


@runtime_checkable
class NodeObject(Protocol):
    """The smallest thing a backend diffs.  Frozen, hashable or not, compared with ``==``."""

    def lines(self) -> tuple[str, ...]:
        """The object in its tool's own syntax, for people (``--rules``) and for JSON."""
        ...


Snapshot = Mapping[ObjectAddress, NodeObject]


@dataclass(frozen=True, slots=True)
class Layered(Mapping[ObjectAddress, NodeObject]):
    """A snapshot in layers whose addresses are disjoint, so that nodes share the bulk of it."""

    layers: tuple[Snapshot, ...]

    def __getitem__(self, address: ObjectAddress) -> NodeObject:
        for layer in self.layers:
            if address in layer:
                return layer[address]
        raise KeyError(address)

    def __iter__(self) -> Iterator[ObjectAddress]:
        for layer in self.layers:
            yield from layer

    def __len__(self) -> int:
        return sum(len(layer) for layer in self.layers)


@dataclass(frozen=True, slots=True)
class RecordedObject:
    """An object as a plan file keeps it: the lines that it had, and nothing else."""

    text: tuple[str, ...]

    def lines(self) -> tuple[str, ...]:
        """The object in its tool's own syntax."""
        return self.text
