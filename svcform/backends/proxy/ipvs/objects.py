"""What the diff compares: virtual services, sets, elements, and how packets get to IPVS.

An address is ``(family, "service", place)`` for a virtual service, ``(family, "set", name)`` for a
set (with its elements, if they are few), ``(family, name of the set, key)`` for an element, and
``(family, "routing", "marks")``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from svcform.lang.ipset.names import KINDS, Set
from svcform.lang.ipset.save import NamedSet
from svcform.lang.ipvs.service import Caught, Server, options
from svcform.model.net import Family
from svcform.plan.snapshot import ObjectAddress

BACKEND = "ipvs"
FAMILY_WORDS = {Family.IPV4: "ip", Family.IPV6: "ip6"}
FAMILIES = {word: family for family, word in FAMILY_WORDS.items()}
SERVICE, SET, ROUTING = "service", "set", "routing"

#: Sets whose elements are a part of them.
SMALL = frozenset({Set.NODE_PORT_ADDRESSES, Set.PODS, Set.SERVICE_CIDRS})
#: The number of the routing table, of the rule that leads there, and of both as their protocol.
TABLE, PREFERENCE, PROTOCOL = 183, 83, 83


@dataclass(frozen=True, slots=True)
class VirtualService:
    """A virtual service: what it catches, how it spreads, and where to.

    ``flags`` are all other options of ipvsadm's that one has that was read; None are those that
    svcform gives it.  ``drains`` says that a connection to a server that goes may come to its end.
    ``listed`` are the lines of one that was read, ``leaving`` the places of its servers that take
    no new connection.
    """

    caught: Caught
    scheduler: str
    seconds: int | None
    servers: tuple[Server, ...]
    flags: str | None = None
    drains: bool = field(default=True, compare=False)
    listed: tuple[str, ...] = field(default=(), compare=False, repr=False)
    leaving: tuple[str, ...] = field(default=(), compare=False, repr=False)

    @property
    def options(self) -> str:
        """``-s rr -p 600``."""
        return options(self.scheduler, self.seconds, self.flags)

    def lines(self) -> tuple[str, ...]:
        """As ``ipvsadm --save`` writes it."""
        name = self.caught.write()
        return (
            f"-A {name} {self.options}",
            *(f"-a {name} {server.write()}" for server in self.servers),
        )


@dataclass(frozen=True, slots=True)
class SetObject:
    """A set, and its elements where they are few."""

    head: NamedSet
    elements: tuple[str, ...] = ()

    def lines(self) -> tuple[str, ...]:
        """As ``ipset restore`` takes it."""
        name = self.head.name
        return (self.head.write(), *(f"add {name} {element}" for element in self.elements))


@dataclass(frozen=True, slots=True)
class Elements:
    """Elements of a set that come and go together, sorted."""

    set_name: str
    elements: tuple[str, ...]

    def lines(self) -> tuple[str, ...]:
        """As ``ipset restore`` takes them."""
        return tuple(f"add {self.set_name} {element}" for element in self.elements)


@dataclass(frozen=True, slots=True)
class Routing:
    """Packets with a mark of ours are the node's own, wherever they are sent: IPVS gets them.

    ``parts`` are those of a rule and a route that are there.
    """

    parts: tuple[str, ...]

    def lines(self) -> tuple[str, ...]:
        """As ip-rule(8) and ip-route(8) take them."""
        return self.parts


def head_of(wanted: Set, family: Family) -> NamedSet:
    """How a set is made."""
    kind = KINDS[wanted]
    extras = ("skbinfo",) if kind.marks else ()
    return NamedSet(name=wanted.name_in(family), type=kind.type, family=family, options=extras)


def address(family: str, kind: str, name: str) -> ObjectAddress:
    """The address of an object."""
    return ObjectAddress(BACKEND, (family, kind, name))


def drains(protocol: str, scheduler: str) -> bool:
    """Whether connections to a server that goes may come to their end.

    IPVS sees the end of those of TCP only; and ``dh`` would send all clients of an address to a
    server that takes none (Linux, ``ip_vs_dh_schedule``).
    """
    return protocol == "TCP" and scheduler != "dh"


def service_address(family: str, caught: Caught) -> ObjectAddress:
    """``ipvs ip service FWM 40001000``."""
    return address(family, SERVICE, caught.place)


def group_of(set_name: str, element: str) -> str:
    """What an element's object is called: of sources, all that one frontend lets in are one."""
    key = element.partition(" ")[0]
    return key.rpartition(",")[0] if set_name.endswith("-" + Set.SOURCES.value) else key
