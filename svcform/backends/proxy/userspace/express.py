"""Which listeners, files and services a node should have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from svcform.backends.contract import Expressed
from svcform.backends.proxy.userspace.objects import (
    SERVERS,
    Endpoint,
    Listening,
    Server,
    listener_name,
)
from svcform.backends.proxy.userspace.units import instance
from svcform.diagnostics import Diagnostic, Severity
from svcform.model.facts import Facts
from svcform.model.net import Protocol
from svcform.model.settings import ProxyMode
from svcform.plan.snapshot import Layered, NodeObject, ObjectAddress
from svcform.policy.intent import Intent
from svcform.policy.proxied import PROXY_PORTS, Proxied, Socket, has_room, sockets

Layer = Mapping[ObjectAddress, NodeObject]
_NOTHING = Expressed(wanted=MappingProxyType({}))


def express(intent: Intent, facts: Facts) -> Expressed:
    """In userspace mode the proxies; nothing in others."""
    if not intent.wanted or intent.settings.proxy_mode is not ProxyMode.USERSPACE:
        return _NOTHING
    if not has_room(intent):
        return Expressed(wanted={}, diagnostics=(_too_many(intent),))
    entries = intent.settings.affinity_entries
    layers = [_listeners(proxied, entries) for proxied in sockets(intent)]
    layers += (instance(server, facts, count) for server, count in _counts(intent).items())
    return Expressed(wanted=Layered(tuple(layers)))


def servers_of(intent: Intent) -> tuple[Server, ...]:
    """The servers that a node in userspace mode needs."""
    return tuple(_counts(intent))


def _counts(intent: Intent) -> Mapping[Server, int]:
    """How many sockets each of them listens on."""
    common, own = map(_listeners_of, sockets(intent))
    return {server: count for server in Server if (count := common[server] + own[server])}


@lru_cache(maxsize=64)
def _listeners_of(proxied: Proxied) -> Counter[Server]:
    return Counter(SERVERS[socket.port.protocol] for socket in proxied.sockets)


@lru_cache(maxsize=128)
def _listeners(proxied: Proxied, entries: int) -> Layer:
    layer: dict[ObjectAddress, NodeObject] = {}
    for socket in proxied.sockets:
        listening = _listening(socket, entries)
        layer[listening.address] = listening
        for destination in socket.pool.destinations:
            endpoint = Endpoint(listening.name, (destination.address, destination.port))
            layer[endpoint.address] = endpoint
    return layer


def _listening(socket: Socket, entries: int) -> Listening:
    port, seconds = socket.port, socket.pool.affinity_seconds
    kind = (port.family.value, port.protocol.value)
    name = listener_name(port.service, port.port_name, kind, socket.number)
    if seconds is not None and port.protocol is Protocol.UDP:
        seconds = 0
    is_sized = seconds is not None and port.protocol is Protocol.TCP
    place = (socket.place.address, socket.place.port)
    return Listening(name, place, seconds, entries if is_sized else 0)


def _too_many(intent: Intent) -> Diagnostic:
    return Diagnostic(
        "SVC471",
        Severity.ERROR,
        "Too many Services for userspace mode",
        f"{intent.node_name} is to carry more Service ports of one protocol than there are ports "
        f"for its proxy ({len(PROXY_PORTS)}). Set another proxy_mode.",
    )
