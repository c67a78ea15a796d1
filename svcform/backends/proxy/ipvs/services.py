"""Service ports as virtual services, and as elements that lead packets to them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from svcform.backends.proxy.ipvs.objects import VirtualService, drains
from svcform.lang.ipset.names import HALVES, Set
from svcform.lang.ipset.save import element
from svcform.lang.ipvs.service import AddressService, MarkedService, Server
from svcform.policy import marks
from svcform.policy.intent import Frontend, Pool, PortIntent

#: Sends a client to the same server without remembering it.
HASHED = "sh"

Item = tuple[Set, str]
"""A set, and an element of it."""


@dataclass(frozen=True, slots=True, eq=False)
class Ports:
    """What a group of Service ports in one family comes to.

    ``node_ports`` are frontends whose virtual services are on each of a node's addresses;
    ``limited`` are those that ask for the source, and so depend on the node's own address.
    """

    services: tuple[VirtualService, ...]
    items: tuple[Item, ...]
    node_ports: tuple[tuple[PortIntent, Frontend, str], ...]
    limited: tuple[Frontend, ...]
    schedulers: frozenset[str]


def port_objects(ports: Iterable[PortIntent], known: marks.Marks, scheduler: str) -> Ports:
    """All of a group's ports; ``scheduler`` is for those that ask for none."""
    services: list[VirtualService] = []
    items: list[Item] = []
    node_ports: list[tuple[PortIntent, Frontend, str]] = []
    limited: list[Frontend] = []
    for port in ports:
        own = port.scheduler or scheduler
        first = known.of(port)
        services += _marked(port, first, own)
        for frontend in port.frontends:
            items += _items(first, port, frontend)
            if frontend.allowed_sources is not None:
                limited.append(frontend)
            if not marks.is_sticky(frontend.routes[-1]):
                continue
            if frontend.address is None:
                node_ports.append((port, frontend, own))
            else:
                services.append(sticky_service(port, frontend, frontend.address, own))
    return Ports(
        tuple(services),
        tuple(items),
        tuple(node_ports),
        tuple(limited),
        frozenset(s.scheduler for s in services) | {own for _, _, own in node_ports},
    )


def sticky_service(
    port: PortIntent, frontend: Frontend, address: str, scheduler: str
) -> VirtualService:
    """A virtual service at an address: clients stay with it."""
    pool = frontend.routes[-1].to
    if not isinstance(pool, Pool):
        raise TypeError(f"no list of endpoints: {pool}")
    caught = AddressService(frontend.protocol.value, address, frontend.port)
    return VirtualService(
        caught,
        scheduler,
        pool.affinity_seconds,
        _servers(pool),
        drains=drains(port.protocol.value, scheduler),
    )


def _marked(port: PortIntent, first: int, scheduler: str) -> Iterator[VirtualService]:
    for mark, pool in sorted(marks.pools(first, port).items()):
        chosen = scheduler if pool.affinity_seconds is None else HASHED
        caught = MarkedService(mark, port.family)
        lasts = drains(port.protocol.value, chosen)
        yield VirtualService(caught, chosen, None, _servers(pool), drains=lasts)


def _servers(pool: Pool) -> tuple[Server, ...]:
    return tuple(sorted((Server(*each) for each in pool.destinations), key=lambda s: s.place))


def _items(first: int, port: PortIntent, frontend: Frontend) -> Iterator[Item]:
    outside = marks.outside_mark(first, port, frontend)
    inside = marks.inside_mark(first, port, frontend)
    at = f"{frontend.protocol.value.lower()}:{frontend.port}"
    is_node_port = frontend.address is None
    places = HALVES[port.family] if frontend.address is None else (frontend.address,)
    for place in places:
        wanted = Set.NODE_PORTS if is_node_port else Set.FRONTENDS
        yield wanted, element(f"{place},{at}", outside)
        if inside is not None:
            wanted = Set.INSIDE_NODE_PORTS if is_node_port else Set.INSIDE
            yield wanted, element(f"{place},{at}", inside)
