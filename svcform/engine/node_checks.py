"""What in the input doesn't fit this very node: checks that need its facts."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from functools import lru_cache

from svcform.diagnostics import Diagnostic, Severity
from svcform.model.facts import Facts
from svcform.model.net import Protocol
from svcform.model.packages import install_command
from svcform.model.settings import ProxyMode
from svcform.policy.intent import Intent, PortGroup
from svcform.policy.node_addresses import OWN_LINK


def check_node(intent: Intent, facts: Facts) -> tuple[Diagnostic, ...]:
    """All findings; a node that carries no Services has none."""
    if not intent.wanted or intent.settings.proxy_mode is ProxyMode.NONE:
        return ()
    return (
        *_overlaps(intent, facts),
        *_pools(intent, facts),
        *_node_ip(intent, facts),
        *_conntrack(intent, facts),
    )


def _networks(facts: Facts) -> set[tuple[str, ipaddress.IPv4Network | ipaddress.IPv6Network]]:
    return {
        (a.interface, ipaddress.ip_network(f"{a.address}/{a.prefix_length}", strict=False))
        for a in facts.addresses
        if a.scope == "global" and a.interface != OWN_LINK
    }


def _overlaps(intent: Intent, facts: Facts) -> Iterator[Diagnostic]:
    for cidr in intent.settings.service_cidrs:
        wanted = ipaddress.ip_network(cidr)
        for interface, network in sorted(_networks(facts), key=str):
            if network.version == wanted.version and network.overlaps(wanted):
                yield Diagnostic(
                    "SVC451",
                    Severity.ERROR,
                    "A service CIDR overlaps a network of the node",
                    f"{cidr} in service_cidrs overlaps {network}, the network of {interface} on "
                    f"{intent.node_name}. Choose a service CIDR that no node uses.",
                )


def _pools(intent: Intent, facts: Facts) -> Iterator[Diagnostic]:
    for name, entries in sorted(intent.settings.load_balancer_pools.items()):
        for entry in entries:
            for found in facts.addresses:
                if found.scope == "global" and _contains(entry, found.address):
                    yield Diagnostic(
                        "SVC451",
                        Severity.ERROR,
                        "A load-balancer pool overlaps an address of the node",
                        f"The pool {name} has {entry}, which holds {found.address}, an address of "
                        f"{found.interface} on {intent.node_name}. Leave it out of the pool.",
                    )


def _contains(entry: str, address: str) -> bool:
    """Whether a CIDR, or a range ``first-last``, holds an address."""
    wanted = ipaddress.ip_address(address)
    first, dash, last = entry.partition("-")
    if not dash:
        network = ipaddress.ip_network(entry)
        return wanted.version == network.version and wanted in network
    low, high = ipaddress.ip_address(first.strip()), ipaddress.ip_address(last.strip())
    return wanted.version == low.version and int(low) <= int(wanted) <= int(high)


def _node_ip(intent: Intent, facts: Facts) -> Iterator[Diagnostic]:
    for address in intent.settings.node_ip:
        if not facts.has_address(address):
            yield Diagnostic(
                "SVC453",
                Severity.ERROR,
                "node_ip is not on the node",
                f"node_ip of {intent.node_name} is {address}, and the node has no such address. "
                "Correct it, or leave it out.",
            )


@lru_cache(maxsize=64)
def _first_udp(group: PortGroup) -> str:
    ports: Iterable[str] = (p.name for p in group.ports if p.protocol is Protocol.UDP)
    return next(iter(ports), "")


def _conntrack(intent: Intent, facts: Facts) -> Iterator[Diagnostic]:
    name = _first_udp(intent.common) or _first_udp(intent.own)
    if name and "conntrack" not in facts.tools:
        yield Diagnostic(
            "SVC454",
            Severity.ERROR,
            "UDP Services need conntrack on the node",
            f"{name} is a UDP Service, and {intent.node_name} has no command conntrack, without "
            "which clients keep being sent to endpoints that are gone. "
            f"{install_command('conntrack', facts.os_release)}",
        )
