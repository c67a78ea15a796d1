"""What policy's decision does to a packet, read off the intent: no kernel, no backend."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace

from svcform.model.facts import Facts, InterfaceAddress
from svcform.model.net import family_of
from svcform.model.node import Connection, Node, Play
from svcform.model.settings import ProxyMode
from svcform.model.workspace import Workspace
from svcform.policy.decide import decide
from svcform.policy.intent import (
    Frontend,
    FrontendKind,
    Intent,
    Masquerade,
    Pool,
    Route,
    Source,
)
from svcform.policy.node_addresses import NodeAddresses, resolve
from tests.flow.arena import Flow
from tests.flow.model import World

LOOPBACK = ("127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Meets:
    """``verdict`` is delivered, REJECT, DROP, ACCEPT or NONE (nobody's business).

    Where delivered: all endpoints that are possible, and those at which the source is masqueraded.
    """

    verdict: str
    endpoints: frozenset[tuple[str, int]] = frozenset()
    masqueraded: frozenset[tuple[str, int]] = frozenset()


def decided(world: World) -> tuple[Intent, NodeAddresses]:
    """What the node of a world should do, and its addresses."""
    settings = replace(world.settings, proxy_mode=ProxyMode.IPTABLES)
    node = Node(name="n", connection=Connection(host=""), settings=settings, plays=(0,))
    space = Workspace(
        project_id="test",
        root="/",
        plays=(Play(name="all", nodes=(node.name,)),),
        nodes=(node,),
        services=world.services,
        endpoints=world.endpoints,
        play_services=(tuple(sorted(world.services)),),
    )
    facts = Facts(
        addresses=tuple(
            InterfaceAddress(interface="eth0", address=address, prefix_length=24)
            for address in (*world.node_addresses, *LOOPBACK)
        )
    )
    return decide(space)[node.name], resolve(settings, facts, "")


def is_inside(address: str, cidrs: tuple[str, ...]) -> bool:
    return any(
        family_of(cidr) is family_of(address)
        and ipaddress.ip_address(address) in ipaddress.ip_network(cidr)
        for cidr in cidrs
    )


def catches(frontend: Frontend, flow: Flow, addresses: NodeAddresses) -> bool:
    if (frontend.port, frontend.protocol) != (flow.port, flow.protocol):
        return False
    if frontend.kind is not FrontendKind.NODE_PORT:
        return frontend.address == flow.destination
    if flow.destination == "127.0.0.1":
        return addresses.localhost_node_ports
    return flow.destination in addresses.node_port[family_of(flow.destination)]


def is_let_in(frontend: Frontend, flow: Flow, addresses: NodeAddresses) -> bool:
    allowed = frontend.allowed_sources
    if allowed is None or is_inside(flow.source, allowed):
        return True
    primary = addresses.primary[family_of(flow.destination)]
    return is_inside(primary, allowed) and flow.source in frontend.own_addresses


def route_for(frontend: Frontend, *, is_pod: bool, is_node: bool) -> Route:
    senders = {Source.ANY}
    senders |= {Source.LOCAL_POD} if is_pod else set()
    senders |= {Source.NODE} if is_node else set()
    return next(route for route in frontend.routes if route.source in senders)


def meets(flow: Flow, world: World, intent: Intent, addresses: NodeAddresses) -> Meets:
    """What becomes of the first packet of a flow."""
    caught = [
        frontend
        for port in (*intent.common.ports, *intent.own.ports)
        if port.family is family_of(flow.destination)
        for frontend in port.frontends
        if catches(frontend, flow, addresses)
    ]
    if not caught:
        return Meets(uncaught(flow, intent, world))
    (frontend,) = caught
    if not is_let_in(frontend, flow, addresses):
        return Meets("DROP")
    is_pod = is_inside(flow.source, intent.settings.pod_cidrs)
    is_node = flow.source in {*world.node_addresses, *LOOPBACK}
    route = route_for(frontend, is_pod=is_pod, is_node=is_node)
    if not isinstance(route.to, Pool):
        return Meets(route.to.name)
    masquerade = route.masquerade is Masquerade.ALWAYS or (
        route.masquerade is Masquerade.UNLESS_LOCAL_POD and not is_pod
    )
    everywhere = frozenset((d.address, d.port) for d in route.to.destinations)
    comes_back = flow.source in intent.hairpin
    itself = frozenset(p for p in everywhere if comes_back and p[0] == flow.source)
    return Meets("delivered", everywhere, everywhere if masquerade else itself)


def uncaught(flow: Flow, intent: Intent, world: World) -> str:
    if flow.destination in intent.cluster_ips:
        return "REJECT"
    if is_inside(flow.destination, intent.settings.service_cidrs):
        return "DROP"
    health_check = flow.port in intent.health_check_node_ports
    return "ACCEPT" if health_check and flow.destination in world.node_addresses else "NONE"
