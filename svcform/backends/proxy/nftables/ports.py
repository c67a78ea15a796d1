"""The elements of Service ports: what their frontends mean, and their lists of endpoints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from svcform.backends.proxy.nftables.ids import LIMITED, LOCAL_LIST, Ids, Treatment
from svcform.backends.proxy.nftables.objects import (
    FRONTENDS,
    LIST_SIZES,
    NODE_PORTS,
    Item,
)
from svcform.backends.proxy.nftables.skeleton import endpoints_map, pick_chain, sticky_set
from svcform.lang.nft.numbers import handle
from svcform.model.service import TrafficPolicy
from svcform.policy.intent import (
    Frontend,
    FrontendKind,
    Masquerade,
    Pool,
    PortIntent,
    Verdict,
)

_CLUSTER = {
    Masquerade.NEVER: Treatment.CLUSTER,
    Masquerade.UNLESS_LOCAL_POD: Treatment.CLUSTER_UNLESS_LOCAL_POD,
    Masquerade.ALWAYS: Treatment.CLUSTER_MASQUERADED,
}
_LOCAL = {
    Masquerade.NEVER: Treatment.LOCAL,
    Masquerade.UNLESS_LOCAL_POD: Treatment.LOCAL_UNLESS_LOCAL_POD,
    Masquerade.ALWAYS: Treatment.LOCAL_MASQUERADED,
}


@dataclass(frozen=True, slots=True, eq=False)
class Ports:
    """Elements of a group of ports in one family, those of one object together.

    ``sizes`` and ``timeouts`` are those that their lists have; ``limited`` are the numbers of
    frontends that ask for the source, each with one of them.
    """

    items: tuple[tuple[Item, ...], ...]
    sizes: frozenset[int]
    timeouts: frozenset[int]
    limited: tuple[tuple[int, Frontend], ...]


def port_items(ports: Iterable[PortIntent], ids: Ids) -> Ports:
    """All elements that depend on no single node's addresses."""
    items: list[tuple[Item, ...]] = []
    sizes: set[int] = set()
    timeouts: set[int] = set()
    limited: dict[int, Frontend] = {}
    for port in ports:
        first = ids.of(port)
        for frontend in port.frontends:
            number = frontend_number(first, port, frontend)
            items.append((_frontend_item(frontend, number),))
            if frontend.allowed_sources is not None:
                limited[number] = frontend
        for number, pool in sorted(_pools(first, port).items()):
            items.append(tuple(sorted(_list_items(handle(number), port, pool))))
            sizes.add(len(pool.destinations))
            if pool.affinity_seconds is not None:
                timeouts.add(pool.affinity_seconds)
    return Ports(tuple(items), frozenset(sizes), frozenset(timeouts), tuple(limited.items()))


def frontend_number(first: int, port: PortIntent, frontend: Frontend) -> int:
    """What a packet to a frontend carries."""
    limited = LIMITED if frontend.allowed_sources is not None else 0
    return first | limited | _treatment(port, frontend)


def range_key(number: int) -> str:
    """The first field of the elements that say whom a frontend lets in."""
    return handle(number)


def _treatment(port: PortIntent, frontend: Frontend) -> Treatment:
    last = frontend.routes[-1]
    if last.to is Verdict.REJECT:
        return Treatment.REJECT
    if len(frontend.routes) > 1:
        return Treatment.EXTERNAL_LOCAL
    return (_LOCAL if _is_internal_local(port, frontend) else _CLUSTER)[last.masquerade]


def _is_internal_local(port: PortIntent, frontend: Frontend) -> bool:
    is_internal = frontend.kind is FrontendKind.CLUSTER_IP
    return is_internal and port.internal_policy is TrafficPolicy.LOCAL


def _pools(first: int, port: PortIntent) -> dict[int, Pool]:
    """The port's lists by their numbers; a policy without endpoints has none, and drops."""
    found = {}
    for frontend in port.frontends:
        routes = frontend.routes
        # Under externalTrafficPolicy Local the last of several routes is that of the outside.
        is_local = len(routes) > 1 or _is_internal_local(port, frontend)
        for route in routes:
            if isinstance(route.to, Pool):
                local = is_local and route is routes[-1]
                found[first | (LOCAL_LIST if local else 0)] = route.to
    return found


def _frontend_item(frontend: Frontend, number: int) -> Item:
    at = f"{frontend.protocol.value.lower()} . {frontend.port} : {handle(number)}"
    if frontend.address is None:
        return NODE_PORTS, at
    return FRONTENDS, f"{frontend.address} . {at}"


def _list_items(number: str, port: PortIntent, pool: Pool) -> Iterator[Item]:
    yield LIST_SIZES, f"{number} : jump {pick_chain(len(pool.destinations))}"
    endpoints = endpoints_map(port.protocol.value.lower())
    for index, (address, at) in enumerate(pool.destinations):
        yield endpoints, f"{number} . {index} : {address} . {at}"
    if pool.affinity_seconds is not None:
        name = sticky_set(pool.affinity_seconds)
        for address, at in pool.destinations:
            yield name, f"{number} . {address} . {at}"
