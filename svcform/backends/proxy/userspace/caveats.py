"""What on a node would keep the servers from running, by name."""

from __future__ import annotations

from collections.abc import Iterator

from svcform.backends.proxy.userspace.express import servers_of
from svcform.backends.proxy.userspace.objects import Server
from svcform.backends.proxy.userspace.programs import (
    has_asker,
    proof_in_the_way,
    socket_in_the_way,
    what_lacks,
)
from svcform.diagnostics import Diagnostic, Severity
from svcform.model.facts import Facts, ForeignSocket
from svcform.policy.intent import Intent
from svcform.policy.proxied import PROXY_PORTS, Socket, sockets

_NAMED = 5


def caveats(facts: Facts, intent: Intent) -> tuple[Diagnostic, ...]:
    """Errors: no HAProxy or nginx, or what they need; somebody else where they are to listen."""
    return (*_missing(intent, facts), *_taken(intent, facts))


def _missing(intent: Intent, facts: Facts) -> Iterator[Diagnostic]:
    for server in servers_of(intent):
        if lack := what_lacks(server, facts):
            carried = "TCP" if server is Server.HAPROXY else "UDP"
            yield Diagnostic(
                "SVC472",
                Severity.ERROR,
                "The node lacks a program of userspace mode",
                f"{intent.node_name} can't carry {carried} Services in userspace mode: {lack}",
            )
    if not has_asker(facts):
        yield Diagnostic(
            "SVC473",
            Severity.ERROR,
            "The node's proxies can't be asked",
            f"{intent.node_name} has neither bash nor nc, and an apply has to ask the running "
            "proxies what they serve. Install one of them on the node.",
        )


def _taken(intent: Intent, facts: Facts) -> Iterator[Diagnostic]:
    """Who is where a proxy is to listen, each with all that it keeps from there."""
    held: dict[str, list[str]] = {}
    for server in servers_of(intent):
        if found := proof_in_the_way(facts, server):
            held.setdefault(_socket(found), []).append(f"svcform's {server.program}")
    for socket in _candidates(intent, facts):
        place = socket.place
        if found := socket_in_the_way(facts, socket.port.protocol, place):
            held.setdefault(_socket(found), []).append(socket.port.name)
    for process, whose in sorted(held.items()):
        names = list(dict.fromkeys(whose))
        if len(names) > _NAMED:
            names[_NAMED:] = [f"{len(names) - _NAMED} more"]
        yield Diagnostic(
            "SVC476",
            Severity.ERROR,
            "A port of the node's proxies is in use",
            f"On {intent.node_name} {process}, where the proxy of {', '.join(names)} is to listen. "
            "Stop it, let it listen on an address of its own, or set another proxy_mode.",
        )


def _socket(found: ForeignSocket) -> str:
    where = f"{found.address or '*'} port {found.port}/{found.protocol.value}"
    return f"{found.process} has {where}"


def _candidates(intent: Intent, facts: Facts) -> Iterator[Socket]:
    """Nodes on which nobody has a port in the proxies' range have nothing to be looked for."""
    ports = {found.port for found in facts.foreign_sockets}
    if ports.isdisjoint(PROXY_PORTS):
        return
    for proxied in sockets(intent):
        yield from (socket for socket in proxied.sockets if socket.place.port in ports)
