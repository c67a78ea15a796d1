"""What the diff compares: elements, sets and chains of the tables ``svcform``.

An address is ``(family, set, key)`` for an element, ``(family, "list", id)`` for all that makes one
list of endpoints, ``(family, "ranges", id)`` for the sources that a frontend lets in, and
``(family, "set" or "chain", name)`` for what holds them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from svcform.lang.nft.listing import numbered
from svcform.model.net import Family
from svcform.plan.snapshot import ObjectAddress

BACKEND = "nftables"
TABLE = "svcform"
FAMILY_WORDS = {Family.IPV4: "ip", Family.IPV6: "ip6"}

FRONTENDS = "frontends"
NODE_PORTS = "node-ports"
LIST_SIZES = "list-sizes"
#: ``tcp-endpoints`` and so on: the maps of lists' endpoints, one for each protocol.
ENDPOINTS = "-endpoints"
STICKY = "sticky-"
ALLOWED = "source-allowed"
CLUSTER_IPS = "cluster-ips"
HAIRPIN = "hairpin"
POD_CIDRS = "pod-cidrs"
SERVICE_CIDRS = "service-cidrs"
NODE_PORT_ADDRESSES = "node-port-addresses"
AFFINITY = "affinity"
AFFINITY_PORT = "affinity-port"

LIST, RANGES, SET, CHAIN = "list", "ranges", "set", "chain"
#: What somebody has given our table: flags, counters, flowtables.
STRANGE = "table"

#: Sets that are small: their elements are a part of them.
SMALL = frozenset({POD_CIDRS, SERVICE_CIDRS, NODE_PORT_ADDRESSES})
#: What traffic fills.
LEARNED = frozenset({AFFINITY, AFFINITY_PORT})
#: Sets with a protocol in their keys, which people see by name and nft by number.
_NAMED = frozenset({FRONTENDS, NODE_PORTS})

Item = tuple[str, str]
"""A set's name, and an element of it: a key, or key and data with `` : `` between them."""


@dataclass(frozen=True, slots=True)
class Elements:
    """Elements that come and go together, sorted."""

    items: tuple[Item, ...]

    def lines(self) -> tuple[str, ...]:
        """Each with the name of its set."""
        return tuple(f"{name} {{ {element} }}" for name, element in self.items)


@dataclass(frozen=True, slots=True)
class Declared:
    """A set or map (``kind``), its properties, and for a small one its elements."""

    kind: str
    properties: tuple[str, ...]
    elements: tuple[str, ...] = ()

    def holding(self, elements: tuple[str, ...]) -> Declared:
        """The same with elements."""
        return Declared(self.kind, self.properties, elements) if elements else self

    def lines(self) -> tuple[str, ...]:
        """Its kind, its properties and its elements."""
        return (self.kind, *self.properties, *self.elements)


@dataclass(frozen=True, slots=True)
class ChainObject:
    """A chain: its hook, empty for one that others go to, and its rules, all canonical.

    ``listed`` are its lines as nft printed them, of one that was read.
    """

    hook: str
    rules: tuple[str, ...]
    listed: tuple[str, ...] = field(default=(), compare=False, repr=False)

    def lines(self) -> tuple[str, ...]:
        """The hook and the rules."""
        return (self.hook, *self.rules) if self.hook else self.rules


def address(family: str, kind: str, name: str) -> ObjectAddress:
    """The address of an object."""
    return ObjectAddress(BACKEND, (family, kind, name))


def item_address(family: str, item: Item) -> ObjectAddress:
    """The address of the object that an element belongs to."""
    name, element = item
    if is_of_lists(name):
        return address(family, LIST, _first(element))
    if name == ALLOWED:
        return address(family, RANGES, _first(element))
    return address(family, name, key_of(element))


def is_of_lists(name: str) -> bool:
    """Whether a set's keys begin with the number of a list."""
    return name == LIST_SIZES or name.endswith(ENDPOINTS) or name.startswith(STICKY)


def key_of(element: str) -> str:
    """The key of an element."""
    return element.partition(" : ")[0]


def for_nft(name: str, element: str) -> str:
    """An element as nft takes it on any node."""
    return numbered(element) if name in _NAMED else element


def for_deletion(name: str, key: str) -> str:
    """A key as nft takes it to delete its element.

    Of sets of intervals nft 1.0.6 deletes no element that is a single address, unless it is called
    a CIDR.
    """
    if name != ALLOWED or "/" in key:
        return key
    return f"{key}/128" if ":" in key.rpartition(" . ")[2] else f"{key}/32"


def is_named(name: str) -> bool:
    """Whether keys of the set hold a protocol."""
    return name in _NAMED


def sort_items(items: Iterable[Item]) -> tuple[Item, ...]:
    """In one order, whatever order nft lists them in."""
    return tuple(sorted(items))


def _first(element: str) -> str:
    return key_of(element).partition(" . ")[0]
