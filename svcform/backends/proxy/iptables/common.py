"""What nodes of a class share, byte for byte: computed once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from svcform.backends.proxy.iptables.addresses import contains
from svcform.backends.proxy.iptables.dispatch import AddressTable, Rules, port_dispatch
from svcform.backends.proxy.iptables.ports import Chains, Entry, common_rules, stub_entries
from svcform.backends.proxy.iptables.shape import Shape
from svcform.lang.iptables import rule as r
from svcform.model.net import family_of
from svcform.policy.intent import PortGroup, PortIntent

VIPS = "SVCFORM-VIPS"
NODE_PORTS = "SVCFORM-NODEPORTS"
REJECTED = "SVCFORM-REJECT"


@dataclass(frozen=True, slots=True, eq=False)
class Common:
    """Chains in nat and in filter.

    ``entries`` are all frontends.  ``limited`` are the ports whose source ranges stand in chains of
    each node's own.
    """

    nat: Chains
    filter: Chains
    entries: tuple[Entry, ...]
    limited: tuple[PortIntent, ...]


@lru_cache(maxsize=64)
def stubs(own: PortGroup, shape: Shape) -> tuple[Entry, ...]:
    """The entries of ports whose chains differ between nodes."""
    return tuple(
        entry
        for port in own.ports
        if port.family is shape.family
        for entry in stub_entries(port, shape)
    )


@lru_cache(maxsize=16)
def common_chains(
    common: PortGroup, stubs: tuple[Entry, ...], cluster_ips: tuple[str, ...], shape: Shape
) -> Common:
    """All that depends on no single node; the same object for the same class."""
    nat: Chains = {}
    filtered: Chains = {}
    entries: list[Entry] = []
    limited = []
    for port in common.ports:
        if port.family is not shape.family:
            continue
        rules = common_rules(port, shape)
        entries += rules.entries
        nat.update(rules.nat)
        filtered.update(rules.filter)
        if any(frontend.allowed_sources is not None for frontend in port.frontends):
            limited.append(port)
    entries += stubs
    inside, outside = _split(cluster_ips, shape)
    to_reject = r.Goto(REJECTED)
    nat.update(_entries_chains(((e, e.nat) for e in entries), inside, to_reject, shape))
    filtered.update(_entries_chains(((e, e.filter) for e in entries), outside, shape.reject, shape))
    if inside:
        nat[REJECTED] = (r.Rule(shape.set_mark).write(), r.Rule(r.ACCEPT).write())
    return Common(nat, filtered, tuple(entries), tuple(limited))


def _split(cluster_ips: Iterable[str], shape: Shape) -> tuple[list[str], list[str]]:
    """The family's clusterIPs, inside and outside of the service CIDRs."""
    inside: list[str] = []
    outside: list[str] = []
    for address in cluster_ips:
        if family_of(address) is shape.family:
            (inside if contains(shape.service_cidrs, address) else outside).append(address)
    return inside, outside


def _entries_chains(
    entries: Iterable[tuple[Entry, Rules]], whole: list[str], otherwise: r.Target, shape: Shape
) -> Chains:
    table = AddressTable(shape.family, whole=whole, otherwise=otherwise)
    node_ports: dict[tuple[str, int], Rules] = {}
    for entry, rules in entries:
        if not rules:
            continue
        if entry.address is None:
            node_ports[entry.protocol, entry.port] = rules
        else:
            table.frontends[entry.address][entry.protocol, entry.port] = rules
    chains = table.chains(VIPS, "SVCFORM-V-")
    if node_ports:
        chains[NODE_PORTS] = port_dispatch(node_ports, chains, _node_port_chain)
    return chains


def _node_port_chain(protocol: str, span: str) -> str:
    return f"SVCFORM-N-{protocol}-{span}"
