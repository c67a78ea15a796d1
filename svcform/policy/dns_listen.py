"""Where CoreDNS listens besides the node's own addresses, and what the proxy leaves to it."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

from svcform.model.net import Network
from svcform.model.node import Node
from svcform.model.service import Service
from svcform.model.workspace import Workspace
from svcform.policy.dns import server_addresses
from svcform.policy.intent import Frontend, Intent, PortGroup
from svcform.policy.services import is_forwarded

#: At which a node asks its own CoreDNS; the convention of NodeLocal DNSCache (KEP-1024).
RESOLVER_ADDRESS = "169.254.20.10"
_DNS_PORT = 53


def decide_own_addresses(workspace: Workspace) -> Mapping[str, tuple[str, ...]]:
    """The addresses that each node has to have itself so that its CoreDNS can bind them, sorted.

    Those are the clusterIPs among ``dns_listen``, and with ``dns_resolver: node`` the link-local
    one and the clusterIPs of the DNS Service: one with port 53 behind which a node with DNS is.
    """
    serving = [n for n in workspace.nodes if n.settings.dns and not n.absent]
    if not any(n.settings.dns_listen or n.settings.dns_resolver == "node" for n in serving):
        return {}
    servers = frozenset(
        address
        for node in (*workspace.play_nodes, *serving)
        if node.settings.dns and not node.absent
        for address in server_addresses(node)
    )
    by_plays: dict[tuple[int, ...], tuple[frozenset[str], frozenset[str]]] = {}
    found: dict[str, tuple[str, ...]] = {}
    for node in serving:
        if node.plays not in by_plays:
            by_plays[node.plays] = _cluster_ips(workspace, node.plays, servers)
        if own := _of_node(node, *by_plays[node.plays]):
            found[node.name] = own
    return found


def decide_served_addresses(workspace: Workspace) -> Mapping[str, tuple[str, ...]]:
    """Services' other addresses with port 53 that are each node's own and its CoreDNS's, sorted.

    Questions to them would leave for the Service's endpoints: other nodes, as a rule.
    """
    by_plays: dict[tuple[int, ...], frozenset[str]] = {}
    found: dict[str, tuple[str, ...]] = {}
    for node in workspace.nodes:
        if not node.settings.dns or node.absent:
            continue
        if node.plays not in by_plays:
            by_plays[node.plays] = frozenset(
                address
                for service in _with_port_53(workspace, node.plays)
                for address in (*service.external_ips, *(i.address for i in service.ingress))
            )
        if served := by_plays[node.plays].intersection(server_addresses(node)):
            found[node.name] = tuple(sorted(served))
    return found


def leave_to_coredns(intent: Intent, own: tuple[str, ...], served: tuple[str, ...] = ()) -> Intent:
    """The intent without the frontends at which the node's CoreDNS listens itself."""
    if served:
        common, alone = _narrow(intent.common, served), _narrow(intent.own, served)
        intent = replace(intent, common=common, own=alone)
    if not own:
        return intent
    settings = intent.settings
    cidrs = _without(settings.service_cidrs, own)
    return replace(
        intent,
        settings=replace(settings, service_cidrs=cidrs),
        common=_narrow(intent.common, own),
        own=_narrow(intent.own, own),
        cluster_ips=_left(intent.cluster_ips, own),
        own_addresses=own,
    )


def _cluster_ips(
    workspace: Workspace, plays: tuple[int, ...], servers: frozenset[str]
) -> tuple[frozenset[str], frozenset[str]]:
    """All clusterIPs with a port 53, and those of them that are the DNS Service's."""
    candidates = _with_port_53(workspace, plays)
    asked = [s for s in candidates if _leads_to(s, workspace, servers)]
    return (
        frozenset(ip for service in candidates for ip in service.cluster_ips),
        frozenset(ip for service in asked for ip in service.cluster_ips),
    )


def _with_port_53(workspace: Workspace, plays: tuple[int, ...]) -> list[Service]:
    return [
        service
        for service in workspace.services_of(plays)
        if is_forwarded(service) and any(port.port == _DNS_PORT for port in service.ports)
    ]


def _leads_to(service: Service, workspace: Workspace, servers: frozenset[str]) -> bool:
    endpoints = workspace.endpoints.get(service.key, {})
    return any(endpoint.address in servers for some in endpoints.values() for endpoint in some)


def _of_node(node: Node, candidates: frozenset[str], asked: frozenset[str]) -> tuple[str, ...]:
    own = candidates & frozenset(node.settings.dns_listen)
    if node.settings.dns_resolver == "node":
        own |= asked | {RESOLVER_ADDRESS}
    return tuple(sorted(own))


@lru_cache(maxsize=64)
def _narrow(group: PortGroup, own: tuple[str, ...]) -> PortGroup:
    """The ports without those frontends, and without those that have none left."""
    ports = []
    for port in group.ports:
        kept = tuple(f for f in port.frontends if not _is_served(f, own))
        if len(kept) == len(port.frontends):
            ports.append(port)
        elif kept:
            ports.append(replace(port, frontends=kept))
    return (
        group
        if len(ports) == len(group.ports)
        and all(a is b for a, b in zip(ports, group.ports, strict=True))
        else PortGroup(tuple(ports))
    )


def _is_served(frontend: Frontend, own: tuple[str, ...]) -> bool:
    return frontend.address in own and frontend.port == _DNS_PORT


@lru_cache(maxsize=64)
def _left(addresses: tuple[str, ...], own: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(address for address in addresses if address not in own)


@lru_cache(maxsize=64)
def _without(cidrs: tuple[str, ...], own: tuple[str, ...]) -> tuple[str, ...]:
    """The same addresses but for those: what nobody takes in a service CIDR is dropped."""
    found: list[Network] = [ipaddress.ip_network(cidr) for cidr in cidrs]
    for hole in map(ipaddress.ip_network, own):
        found = [
            part
            for network in found
            for part in (
                network.address_exclude(hole)  # type: ignore[arg-type] # one family
                if network.version == hole.version and hole.subnet_of(network)  # type: ignore[arg-type]
                else (network,)
            )
        ]
    return tuple(map(str, sorted(found, key=lambda n: (n.version, n))))
