"""Intent and facts in, the wanted elements, sets and chains out."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType

from svcform.backends.contract import Expressed
from svcform.backends.proxy.nftables import skeleton
from svcform.backends.proxy.nftables.ids import Ids, ids_of
from svcform.backends.proxy.nftables.objects import (
    ALLOWED,
    CHAIN,
    CLUSTER_IPS,
    FAMILY_WORDS,
    HAIRPIN,
    NODE_PORT_ADDRESSES,
    POD_CIDRS,
    SERVICE_CIDRS,
    SET,
    Elements,
    address,
    item_address,
)
from svcform.backends.proxy.nftables.ports import Ports, port_items, range_key
from svcform.backends.proxy.nftables.tools import require_tools
from svcform.model.facts import Facts
from svcform.model.net import Family, family_of
from svcform.model.settings import ProxyMode, Settings
from svcform.plan.snapshot import Layered, NodeObject, ObjectAddress
from svcform.policy.intent import Frontend, Intent, PortGroup
from svcform.policy.node_addresses import NodeAddresses, resolve
from svcform.policy.proxied import catches_by_nft, redirected

Layer = Mapping[ObjectAddress, NodeObject]
#: Lists this long need no chain that isn't there: when they grow and shrink only elements change.
_USUAL_SIZES = frozenset(range(1, 17))


def express(intent: Intent, facts: Facts) -> Expressed:
    """What the node should hold: nothing unless it runs this mode.

    In userspace mode, where the node has no iptables, these maps lead to the proxy's sockets.
    """
    mode = intent.settings.proxy_mode
    if mode is ProxyMode.USERSPACE and catches_by_nft(facts):
        intent = redirected(intent)
    elif mode is not ProxyMode.NFTABLES:
        return Expressed(wanted=MappingProxyType({}))
    if not intent.wanted:
        return Expressed(wanted=MappingProxyType({}))
    families = [family for family in Family if _has_anything(intent, family)]
    if families:
        require_tools(facts, intent.node_name)
    addresses = resolve(intent.settings, facts, intent.connection_host)
    layers: list[Layer] = []
    for family in families:
        layers += _family_layers(intent, family, addresses)
    return Expressed(wanted=Layered(tuple(layers)))


def _has_anything(intent: Intent, family: Family) -> bool:
    return bool(
        any(family_of(cidr) is family for cidr in intent.settings.service_cidrs)
        or any(family_of(a) is family for a in intent.cluster_ips)
        or any(port.family is family for g in (intent.common, intent.own) for port in g.ports)
    )


def _family_layers(intent: Intent, family: Family, addresses: NodeAddresses) -> Iterator[Layer]:
    ids = ids_of(intent.common, intent.own)
    common, own = _ports(intent.common, ids, family), _ports(intent.own, ids, family)
    yield _elements(common, family)
    yield _elements(own, family)
    yield _addresses(CLUSTER_IPS, intent.cluster_ips, family)
    yield _addresses(HAIRPIN, intent.hairpin, family)
    yield _ranges((*common.limited, *own.limited), family, addresses)
    shape = skeleton.Shape(
        family=FAMILY_WORDS[family],
        mark=intent.settings.masquerade_mark,
        sizes=tuple(sorted(_USUAL_SIZES | common.sizes | own.sizes)),
        timeouts=tuple(sorted(common.timeouts | own.timeouts)),
        affinity_entries=intent.settings.affinity_entries,
    )
    yield _chains(shape)
    yield _sets(shape, family, intent.settings, addresses)


@lru_cache(maxsize=64)
def _ports(group: PortGroup, ids: Ids, family: Family) -> Ports:
    return port_items((port for port in group.ports if port.family is family), ids)


@lru_cache(maxsize=64)
def _elements(ports: Ports, family: Family) -> Layer:
    word = FAMILY_WORDS[family]
    return {item_address(word, items[0]): Elements(items) for items in ports.items}


@lru_cache(maxsize=64)
def _addresses(name: str, given: tuple[str, ...], family: Family) -> Layer:
    """One element for each address: of hairpin it is the address twice."""
    word, found = FAMILY_WORDS[family], {}
    for each in given:
        if family_of(each) is family:
            key = f"{each} . {each}" if name == HAIRPIN else each
            found[address(word, name, key)] = Elements(((name, key),))
    return found


def _ranges(
    limited: Iterable[tuple[int, Frontend]], family: Family, addresses: NodeAddresses
) -> Layer:
    """Who may come to addresses with source ranges: each node's own, for its address counts."""
    word, found = FAMILY_WORDS[family], {}
    for number, frontend in limited:
        key = range_key(number)
        items = tuple(
            sorted(
                (ALLOWED, f"{key} . {cidr}")
                for cidr in _allowed(frontend, addresses.primary.get(family, ""))
            )
        )
        if items:
            found[item_address(word, items[0])] = Elements(items)
    return found


def _allowed(frontend: Frontend, primary: str) -> Iterator[str]:
    ranges = frontend.allowed_sources or ()
    inside = bool(primary) and any(
        ipaddress.ip_address(primary) in ipaddress.ip_network(cidr) for cidr in ranges
    )
    yield from _apart((*ranges, *(frontend.own_addresses if inside else ())))


def _apart(cidrs: Iterable[str]) -> Iterator[str]:
    """The same addresses in CIDRs that don't overlap: nft refuses a set whose elements do."""
    networks = map(ipaddress.ip_network, cidrs)
    for network in ipaddress.collapse_addresses(networks):  # type: ignore[type-var] # one family
        whole = network.prefixlen == network.max_prefixlen
        yield str(network.network_address) if whole else str(network)


@lru_cache(maxsize=64)
def _chains(shape: skeleton.Shape) -> Layer:
    return {
        address(shape.family, CHAIN, name): chain for name, chain in skeleton.chains(shape).items()
    }


def _sets(
    shape: skeleton.Shape, family: Family, settings: Settings, addresses: NodeAddresses
) -> Layer:
    inside = {
        POD_CIDRS: _of_family(settings.pod_cidrs, family),
        SERVICE_CIDRS: _of_family(settings.service_cidrs, family),
        NODE_PORT_ADDRESSES: tuple(sorted(addresses.node_port[family])),
    }
    return {
        address(shape.family, SET, name): declared.holding(inside.get(name, ()))
        for name, declared in skeleton.sets(shape).items()
    }


def _of_family(cidrs: Iterable[str], family: Family) -> tuple[str, ...]:
    return tuple(sorted(_apart(cidr for cidr in cidrs if family_of(cidr) is family)))
