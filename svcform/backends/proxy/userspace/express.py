"""Which listeners, files and services a node should have."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from svcform.backends.contract import Expressed
from svcform.backends.proxy.userspace.objects import (
    SERVERS,
    Endpoint,
    File,
    Health,
    Listening,
    ProxyObject,
    Running,
    Server,
    folder_of,
    listener_name,
)
from svcform.backends.proxy.userspace.units import frame_of, unit_of
from svcform.diagnostics import Diagnostic, Severity
from svcform.model.facts import Facts
from svcform.model.net import Family, Protocol, family_of
from svcform.model.settings import ProxyMode
from svcform.plan.snapshot import Layered, NodeObject, ObjectAddress
from svcform.policy.intent import Intent
from svcform.policy.proxied import PROXY_PORTS, Proxied, Socket, has_room, sockets
from svcform.program.unit import unit_files

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
    layers.append(_files(servers_of(intent), facts))
    layers.append(_health(intent, facts))
    return Expressed(wanted=Layered(tuple(layers)))


def servers_of(intent: Intent) -> tuple[Server, ...]:
    """The servers that a node in userspace mode needs."""
    needed = frozenset[Server]().union(*map(_servers, sockets(intent)))
    if intent.health_checks:
        needed |= {Server.HAPROXY}
    return tuple(server for server in Server if server in needed)


def _health(intent: Intent, facts: Facts) -> Layer:
    """On all addresses, as kube-proxy's; a node without IPv6 can't bind one of that family."""
    has_ipv6 = any(family_of(entry.address) is Family.IPV6 for entry in facts.addresses)
    checks = (
        Health(str(check.service), check.port, check.local_endpoints, has_ipv6)
        for check in intent.health_checks
    )
    return {check.address: check for check in checks}


@lru_cache(maxsize=64)
def _servers(proxied: Proxied) -> frozenset[Server]:
    return frozenset(SERVERS[socket.port.protocol] for socket in proxied.sockets)


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


def _files(servers: tuple[Server, ...], facts: Facts) -> Layer:
    own: list[ProxyObject] = []
    for server in servers:
        own.append(Running(server))
        own.append(File(f"{folder_of(server)}/{server.frame}", frame_of(server, facts)))
        own += [
            File(f.path, f.text, f.mode) for f in unit_files(unit_of(server, facts), facts.init)
        ]
    return {found.address: found for found in own}


def _too_many(intent: Intent) -> Diagnostic:
    return Diagnostic(
        "SVC471",
        Severity.ERROR,
        "Too many Services for userspace mode",
        f"{intent.node_name} is to carry more Service ports of one protocol than there are ports "
        f"for its proxy ({len(PROXY_PORTS)}). Set another proxy_mode.",
    )
