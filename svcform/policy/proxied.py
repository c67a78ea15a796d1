"""Userspace mode: what the node's own proxy listens on, and what leads Services' packets there.

A packet to a frontend is sent to a socket of the proxy as it would be sent to an endpoint in other
modes, by whatever backend does that; the proxy spreads what comes in there over the real endpoints.
Verdicts, source ranges and traffic policies stay with the rules: a proxy could only accept and
close.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from svcform.model.facts import Facts
from svcform.model.net import Family, Protocol
from svcform.model.settings import ProxyMode
from svcform.policy.intent import (
    Destination,
    Frontend,
    Intent,
    Masquerade,
    Pool,
    PortGroup,
    PortIntent,
    Route,
    Verdict,
)

#: Where the proxy listens: addresses that only svcform gives the node, so that no other program's
#: socket and no route is in the way.  Link-local, and out of a range of its own (RFC 4193).
PROXY_ADDRESSES: Mapping[Family, str] = {
    Family.IPV4: "169.254.20.11",
    Family.IPV6: "fd73:7663:666f:726d::11",
}

#: Below all ephemeral ports and node ports of a usual node (Linux, ``ip_local_port_range``).
PROXY_PORTS = range(10240, 29998)

#: Where the proxies of TCP and of UDP say, on the loopback, which configuration they run with.
PROOF_PORTS: Mapping[Protocol, int] = {Protocol.TCP: 29998, Protocol.UDP: 29999}


@dataclass(frozen=True, slots=True)
class Socket:
    """What the proxy listens on for one pool of a Service port.

    ``number`` is 1, or 2 for the second of two pools: those of the two traffic policies.
    """

    port: PortIntent
    number: int
    place: Destination
    pool: Pool


@dataclass(frozen=True, slots=True, eq=False)
class Proxied:
    """Service ports as the rules have them, and the sockets behind them; compared by identity."""

    group: PortGroup
    sockets: tuple[Socket, ...]


def proxy_addresses(intent: Intent) -> tuple[str, ...]:
    """The addresses that the node needs for its proxy: none in other modes."""
    if not intent.wanted or intent.settings.proxy_mode is not ProxyMode.USERSPACE:
        return ()
    families = _families(intent.common) | _families(intent.own)
    return tuple(PROXY_ADDRESSES[family] for family in Family if family in families)


def catches_by_nft(facts: Facts) -> bool:
    """Whether nft leads packets to the proxy: where the node has no iptables."""
    return "iptables" not in facts.tools and "nft" in facts.tools


def sockets(intent: Intent) -> tuple[Proxied, Proxied]:
    """The sockets of the ports that nodes share, and of the node's own."""
    places = _places(_names(intent.common), _names(intent.own, both=True))
    return _proxied(intent.common, places), _proxied(intent.own, places)


def has_room(intent: Intent) -> bool:
    """Whether there are ports for all sockets."""
    names = (*_names(intent.common), *_names(intent.own, both=True))
    return all(
        sum(name.endswith(protocol.value) for name in names) <= len(PROXY_PORTS)
        for protocol in PROOF_PORTS
    )


def redirected(intent: Intent) -> Intent:
    """What the rules of a node in userspace mode should do.

    Whatever comes to the proxy's addresses otherwise is dropped, like a packet to an address that
    no Service has: nobody gets round source ranges.  Nothing is masqueraded, since nothing is
    forwarded.
    """
    common, own = sockets(intent)
    guarded = tuple(
        f"{address}/{128 if ':' in address else 32}" for address in proxy_addresses(intent)
    )
    cidrs = (*intent.settings.service_cidrs, *guarded)
    return replace(
        intent,
        settings=replace(intent.settings, service_cidrs=cidrs),
        common=common.group,
        own=own.group,
        hairpin=(),
    )


@lru_cache(maxsize=64)
def _families(group: PortGroup) -> frozenset[Family]:
    return frozenset(port.family for port in group.ports if port.frontends)


@lru_cache(maxsize=64)
def _names(group: PortGroup, *, both: bool = False) -> tuple[str, ...]:
    """What needs a port: the same in both families; two of a Service port that has two pools."""
    names = dict.fromkeys(
        _name(port, number)
        for port in group.ports
        if port.protocol in PROOF_PORTS
        for number in ((1, 2) if both else (1,))
    )
    return tuple(names)


def _name(port: PortIntent, number: int) -> str:
    return f"{number} {port.name} {port.protocol.value}"


@dataclass(frozen=True, slots=True, eq=False)
class _Places:
    """The port of each name; compared by identity, as it is one for all nodes of a class."""

    ports: Mapping[str, int]


@lru_cache(maxsize=64)
def _places(common: tuple[str, ...], own: tuple[str, ...]) -> _Places:
    found: dict[str, int] = {}
    for protocol in PROOF_PORTS:
        names = [name for name in (*common, *own) if name.endswith(f" {protocol.value}")]
        found.update(_allocate(names))
    return _Places(found)


def _allocate(names: list[str]) -> Iterator[tuple[str, int]]:
    """A port for each, by its name's hash.

    Who finds it taken, by one whose hash is lower, tries another hash.  So who comes or goes can
    move only those that it meets: at 1,000 Services, one of 20 that come or go moves another one.
    """
    taken: set[int] = set()
    for _, name in sorted((_hash(name, 0), name) for name in names[: len(PROXY_PORTS)]):
        attempt = 0
        while (slot := _hash(name, attempt) % len(PROXY_PORTS)) in taken:
            attempt += 1
        taken.add(slot)
        yield name, PROXY_PORTS[slot]


def _hash(name: str, attempt: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{attempt} {name}".encode()).digest()[:8])


@lru_cache(maxsize=128)
def _proxied(group: PortGroup, places: _Places) -> Proxied:
    found: list[Socket] = []
    ports = []
    for port in group.ports:
        behind = _sockets_of(port, places)
        found += behind.values()
        ports.append(_to_sockets(port, behind))
    return Proxied(PortGroup(tuple(ports)), tuple(found))


def _sockets_of(port: PortIntent, places: _Places) -> dict[Pool, Socket]:
    found: dict[Pool, Socket] = {}
    for frontend in port.frontends:
        for route in frontend.routes:
            if isinstance(route.to, Pool) and route.to not in found:
                number = len(found) + 1
                at = places.ports.get(_name(port, number))
                if at is not None:
                    place = Destination(PROXY_ADDRESSES[port.family], at)
                    found[route.to] = Socket(port, number, place, route.to)
    return found


def _to_sockets(port: PortIntent, behind: Mapping[Pool, Socket]) -> PortIntent:
    frontends = tuple(_redirect(frontend, behind) for frontend in port.frontends)
    places = tuple(sorted(socket.place for socket in behind.values()))
    # Clients of the mode before may stay with endpoints that conntrack takes them to.
    serving = tuple(sorted({*port.serving, *places})) if port.protocol is Protocol.UDP else ()
    return replace(port, frontends=frontends, endpoints=places, serving=serving, draining=())


def _redirect(frontend: Frontend, behind: Mapping[Pool, Socket]) -> Frontend:
    routes = tuple(
        Route(route.source, _target(route.to, behind), Masquerade.NEVER)
        for route in frontend.routes
    )
    return replace(frontend, routes=routes)


def _target(to: Pool | Verdict, behind: Mapping[Pool, Socket]) -> Pool | Verdict:
    if isinstance(to, Verdict):
        return to
    socket = behind.get(to)
    return Pool((socket.place,)) if socket else Verdict.REJECT
