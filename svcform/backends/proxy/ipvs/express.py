"""Intent and facts in, the wanted virtual services, sets and elements out."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType

from svcform.backends.contract import Expressed
from svcform.backends.proxy.ipvs.objects import (
    FAMILY_WORDS,
    PREFERENCE,
    PROTOCOL,
    ROUTING,
    SET,
    TABLE,
    Elements,
    Routing,
    SetObject,
    VirtualService,
    address,
    group_of,
    head_of,
    service_address,
)
from svcform.backends.proxy.ipvs.services import (
    Item,
    Ports,
    port_objects,
    sticky_service,
)
from svcform.backends.proxy.ipvs.tools import missing_modules, require_tools
from svcform.lang.ipset.names import HALVES, Set
from svcform.lang.ipset.save import element
from svcform.model.facts import Facts
from svcform.model.net import Family, family_of
from svcform.model.settings import ProxyMode, Settings
from svcform.plan.snapshot import Layered, NodeObject, ObjectAddress
from svcform.policy import marks
from svcform.policy.intent import Frontend, Intent, PortGroup
from svcform.policy.node_addresses import NodeAddresses, resolve

Layer = Mapping[ObjectAddress, NodeObject]


def express(intent: Intent, facts: Facts) -> Expressed:
    """What the node should hold: nothing unless it runs this mode."""
    if not intent.wanted or intent.settings.proxy_mode is not ProxyMode.IPVS:
        return Expressed(wanted=MappingProxyType({}))
    families = [family for family in Family if _has_anything(intent, family)]
    if families:
        require_tools(facts, intent.node_name)
    addresses = resolve(intent.settings, facts, intent.connection_host)
    schedulers: set[str] = set()
    layers: list[Layer] = []
    for family in families:
        groups = tuple(
            _ports(
                group,
                marks.marks_of(intent.common, intent.own),
                family,
                intent.settings.ipvs_scheduler,
            )
            for group in (intent.common, intent.own)
        )
        schedulers.update(*(group.schedulers for group in groups))
        layers += _family_layers(intent, family, groups, addresses)
    lacking = missing_modules(facts, schedulers, intent.node_name) if families else ()
    return Expressed(wanted=Layered(tuple(layers)), diagnostics=tuple(lacking))


def _has_anything(intent: Intent, family: Family) -> bool:
    return bool(
        any(family_of(cidr) is family for cidr in intent.settings.service_cidrs)
        or any(family_of(a) is family for a in intent.cluster_ips)
        or any(port.family is family for g in (intent.common, intent.own) for port in g.ports)
    )


def _family_layers(
    intent: Intent, family: Family, groups: tuple[Ports, ...], addresses: NodeAddresses
) -> Iterator[Layer]:
    for group in groups:
        yield _service_layer(group.services, family)
        yield _element_layer(group.items, family)
    yield _element_layer(_addresses(Set.CLUSTER_IPS, intent.cluster_ips, family), family)
    yield _element_layer(_addresses(Set.HAIRPIN, intent.hairpin, family), family)
    yield _ranges(groups, family, addresses)
    yield _at_node_ports(groups, family, addresses)
    yield _sets(intent.settings, family, addresses)
    yield {address(FAMILY_WORDS[family], ROUTING, "marks"): Routing(routing_parts())}


@lru_cache(maxsize=1)
def routing_parts() -> tuple[str, ...]:
    """The rule and the route."""
    mark = f"{marks.FIRST:#x}/{marks.OURS:#x}"
    return (
        f"rule add fwmark {mark} lookup {TABLE} pref {PREFERENCE}",
        f"route add local default dev lo table {TABLE} proto {PROTOCOL}",
    )


@lru_cache(maxsize=64)
def _ports(group: PortGroup, known: marks.Marks, family: Family, scheduler: str) -> Ports:
    return port_objects((port for port in group.ports if port.family is family), known, scheduler)


@lru_cache(maxsize=64)
def _service_layer(services: tuple[VirtualService, ...], family: Family) -> Layer:
    word = FAMILY_WORDS[family]
    return {service_address(word, service.caught): service for service in services}


@lru_cache(maxsize=256)
def _element_layer(items: tuple[Item, ...], family: Family) -> Layer:
    word, found = FAMILY_WORDS[family], {}
    for wanted, text in items:
        name = wanted.name_in(family)
        found[address(word, name, group_of(name, text))] = Elements(name, (text,))
    return found


@lru_cache(maxsize=64)
def _addresses(wanted: Set, given: tuple[str, ...], family: Family) -> tuple[Item, ...]:
    """One element for each address: of hairpin it is the address twice."""
    mine = (each for each in given if family_of(each) is family)
    if wanted is Set.HAIRPIN:
        return tuple((wanted, element(f"{each},{each}")) for each in mine)
    return tuple((wanted, element(each)) for each in mine)


def _ranges(groups: Iterable[Ports], family: Family, addresses: NodeAddresses) -> Layer:
    """Who may come to addresses with source ranges: each node's own, for its address counts."""
    word, name, found = FAMILY_WORDS[family], Set.SOURCES.name_in(family), {}
    primary = addresses.primary.get(family, "")
    for frontend in (each for group in groups for each in group.limited):
        at = f"{frontend.address},{frontend.protocol.value.lower()}:{frontend.port}"
        texts = tuple(sorted({element(f"{at},{cidr}") for cidr in _allowed(frontend, primary)}))
        found[address(word, name, at)] = Elements(name, texts)
    return found


def _allowed(frontend: Frontend, primary: str) -> Iterator[str]:
    ranges = frontend.allowed_sources or ()
    yield from map(_shortest, ranges)
    inside = bool(primary) and any(
        ipaddress.ip_address(primary) in ipaddress.ip_network(cidr) for cidr in ranges
    )
    yield from frontend.own_addresses if inside else ()


def _at_node_ports(groups: Iterable[Ports], family: Family, addresses: NodeAddresses) -> Layer:
    services = tuple(
        sticky_service(port, frontend, each, scheduler)
        for group in groups
        for port, frontend, scheduler in group.node_ports
        for each in addresses.node_port[family]
    )
    return _service_layer(services, family)


def _sets(settings: Settings, family: Family, addresses: NodeAddresses) -> Layer:
    inside = {
        Set.PODS: settings.pod_cidrs,
        Set.SERVICE_CIDRS: settings.service_cidrs,
        Set.NODE_PORT_ADDRESSES: addresses.node_port[family],
    }
    word = FAMILY_WORDS[family]
    return {
        address(word, SET, wanted.name_in(family)): SetObject(
            head_of(wanted, family),
            _networks((c for c in inside.get(wanted, ()) if family_of(c) is family), family),
        )
        for wanted in Set
    }


def _networks(cidrs: Iterable[str], family: Family) -> tuple[str, ...]:
    """Sorted; everything is two halves."""
    parts = (HALVES[family] if cidr.endswith("/0") else (_shortest(cidr),) for cidr in cidrs)
    return tuple(sorted({text for part in parts for text in part}))


def _shortest(cidr: str) -> str:
    """As ``ipset save`` prints it: one address without its length."""
    network = ipaddress.ip_network(cidr)
    whole = network.prefixlen == network.max_prefixlen
    return str(network.network_address if whole else network)
