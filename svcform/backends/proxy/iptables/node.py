"""What differs from node to node: entrances and exits, and the chains behind its own entries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from svcform.backends.proxy.iptables.common import NODE_PORTS, VIPS, Common
from svcform.backends.proxy.iptables.dispatch import AddressTable
from svcform.backends.proxy.iptables.pools import Heading
from svcform.backends.proxy.iptables.ports import Chains, own_rules, range_rules
from svcform.backends.proxy.iptables.shape import Shape
from svcform.lang.iptables import rule as r
from svcform.model.net import Family, family_of
from svcform.policy import marks
from svcform.policy.intent import Intent, PortGroup
from svcform.policy.node_addresses import NodeAddresses

SERVICES = "SVCFORM-SERVICES"
POSTROUTING = "SVCFORM-POSTROUTING"
MASQUERADE = "SVCFORM-MASQUERADE"
HAIRPIN = "SVCFORM-HAIRPIN"
CHECK = "SVCFORM-CHECK"
UNTAKEN = "SVCFORM-UNTAKEN"
HEALTH = "SVCFORM-HEALTH"
LOCALHOST = "SVCFORM-LOCALHOST"

LOOPBACK = "127.0.0.0/8"
_TRANSLATED = r.Conntrack(("DNAT",))
#: While one mode becomes the other both have their rules: what IPVS takes is not translated twice.
_LEFT_TO_IPVS = r.Rule(r.RETURN, (r.Mark(marks.FIRST, marks.OURS),)).write()


@dataclass(frozen=True, slots=True)
class Own:
    """Chains of one node in nat and in filter."""

    nat: Chains
    filter: Chains


def own_chains(intent: Intent, common: Common, shape: Shape, addresses: NodeAddresses) -> Own:
    """All chains of the node in one family that it doesn't share, but for hairpin_chains."""
    nat, filtered = _own_ports(intent.own, shape)
    nat, filtered = dict(nat), dict(filtered)
    primary = addresses.primary.get(shape.family, "")
    for ports, is_own in ((common.limited, False), (intent.own.ports, True)):
        for port in ports:
            if port.family is shape.family:
                to_nat, to_filter = range_rules(port, shape, primary, is_own=is_own)
                nat.update(to_nat)
                filtered.update(to_filter)
    nat[SERVICES] = tuple(_services(intent, common, shape, addresses))
    hairpin = HAIRPIN in hairpin_chains(intent.hairpin, shape)
    nat[POSTROUTING] = tuple(_postrouting(shape, hairpin=hairpin))
    nat[MASQUERADE] = (r.Rule(shape.clear_mark).write(), r.Rule(r.Masquerade()).write())
    filtered[CHECK] = tuple(_check(common, shape, addresses))
    if shape.service_cidrs:
        # In a chain of its own: iptables-nft 1.8.8 prints -d wrongly beside -m mark.
        rejected = r.Rule(shape.reject, (shape.marked,)).write()
        filtered[UNTAKEN] = (rejected, r.Rule(r.DROP).write())
    if intent.health_check_node_ports:
        filtered[HEALTH] = tuple(_health(intent.health_check_node_ports))
    if _on_localhost(shape, addresses):
        filtered[LOCALHOST] = (_guard_localhost(),)
    return Own(nat, filtered)


@lru_cache(maxsize=64)
def _own_ports(own: PortGroup, shape: Shape) -> tuple[Chains, Chains]:
    nat: Chains = {}
    filtered: Chains = {}
    for port in own.ports:
        if port.family is shape.family:
            rules = own_rules(port, shape)
            nat.update(rules.nat)
            filtered.update(rules.filter)
    return nat, filtered


def _services(
    intent: Intent, common: Common, shape: Shape, addresses: NodeAddresses
) -> Iterator[str]:
    """The start: the mark says who is no local pod; whatever isn't ours leaves without a mark."""
    yield _LEFT_TO_IPVS
    if shape.knows_pods:
        yield r.Rule(shape.set_mark).write()
        for pods in intent.settings.pod_cidrs:
            if family_of(pods) is shape.family:
                yield r.Rule(shape.clear_mark, source=pods).write()
    else:
        yield r.Rule(shape.clear_mark).write()
    if VIPS in common.nat:
        yield r.Rule(r.Verdict(VIPS)).write()
    if NODE_PORTS in common.nat:
        yield from _left_to_filter(common, shape, addresses)
        yield from _to_node_ports(shape, addresses)
    yield r.Rule(shape.clear_mark).write()


def _left_to_filter(common: Common, shape: Shape, addresses: NodeAddresses) -> Iterator[str]:
    """What an address of the node's own refuses is no node port's, though one has its number."""
    refusing = _refusing_at_node_ports(common)
    for address in addresses.node_port[shape.family]:
        for protocol, port in refusing.get(address, ()):
            heading = Heading(protocol, (r.Port(port, port),), shape.host(address))
            yield heading.rule(shape.clear_mark)
            yield heading.rule(r.RETURN)


@lru_cache(maxsize=16)
def _refusing_at_node_ports(common: Common) -> Mapping[str, list[tuple[str, int]]]:
    """By address, the places that filter has a verdict for and whose number a node port has."""
    node_ports = {(e.protocol, e.port) for e in common.entries if e.address is None}
    found: dict[str, list[tuple[str, int]]] = {}
    for entry in common.entries:
        place = (entry.protocol, entry.port)
        if entry.address is not None and entry.filter and place in node_ports:
            found.setdefault(entry.address, []).append(place)
    return found


def _to_node_ports(shape: Shape, addresses: NodeAddresses) -> Iterator[str]:
    target = r.Verdict(NODE_PORTS)
    for address in addresses.node_port[shape.family]:
        yield r.Rule(target, destination=shape.host(address)).write()
    if _on_localhost(shape, addresses):
        yield r.Rule(target, source=LOOPBACK, destination="127.0.0.1/32").write()


def _postrouting(shape: Shape, *, hairpin: bool) -> Iterator[str]:
    yield r.Rule(r.Verdict(MASQUERADE), (shape.marked, _TRANSLATED)).write()
    if hairpin:
        yield r.Rule(r.Verdict(HAIRPIN), (_TRANSLATED,)).write()


@lru_cache(maxsize=64)
def hairpin_chains(hairpin: tuple[str, ...], shape: Shape) -> Chains:
    """What an endpoint sends to itself must look as if it came from the node.

    Nodes that don't know their pods have all endpoints in here, and then they share it.
    """
    table = AddressTable(shape.family)
    for address in hairpin:
        if family_of(address) is shape.family:
            host = shape.host(address)
            rule = r.Rule(r.Masquerade(), source=host, destination=host)
            table.frontends[address]["", 0] = (rule.write(),)
    return table.chains(HAIRPIN, "SVCFORM-H-")


def _check(common: Common, shape: Shape, addresses: NodeAddresses) -> Iterator[str]:
    """What nat has left as it was, and what has to be refused of it."""
    yield r.Rule(r.RETURN, (_TRANSLATED,)).write()
    yield _LEFT_TO_IPVS
    if VIPS in common.filter:
        yield r.Rule(r.Verdict(VIPS)).write()
    if NODE_PORTS in common.filter:
        yield from _to_node_ports(shape, addresses)
    for cidr in shape.service_cidrs:
        yield r.Rule(r.Goto(UNTAKEN), destination=cidr).write()


def _health(ports: tuple[int, ...]) -> Iterator[str]:
    for port in ports:
        yield r.Rule(r.ACCEPT, (r.Port(port, port),), "tcp").write()


def _guard_localhost() -> str:
    """Drop what comes to the loopback from elsewhere: route_localnet lets it in (k8s #90259)."""
    state = r.Conntrack(("RELATED", "ESTABLISHED", "DNAT"), negated=True)
    return r.Rule(
        r.DROP, (state,), source=LOOPBACK, destination=LOOPBACK, source_negated=True
    ).write()


def _on_localhost(shape: Shape, addresses: NodeAddresses) -> bool:
    return addresses.localhost_node_ports and shape.family is Family.IPV4
