"""A node's own addresses: the primary ones, and those that carry node ports."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

from svcform.model.facts import Facts, InterfaceAddress
from svcform.model.net import Family, family_of
from svcform.model.settings import ProxyMode, Settings

#: The link that svcform makes for its own addresses: never an address of the node's.
OWN_LINK = "svcform0"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeAddresses:
    """What :func:`resolve` found; all addresses are canonical.

    ``primary`` lacks a family that the node has no address for.  ``node_port`` has both families;
    its addresses are sorted by text.  With ``localhost_node_ports`` node ports are on 127.0.0.1,
    too.
    """

    primary: Mapping[Family, str]
    node_port: Mapping[Family, tuple[str, ...]]
    localhost_node_ports: bool = False


def resolve(settings: Settings, facts: Facts, connection_host: str) -> NodeAddresses:
    """Find the node's addresses from its settings, what it said, and how it is reached.

    Where ``node_port_addresses`` has CIDRs, but none of a family, that family gets all addresses
    (kube-proxy v1.36 ``util/nodeport_addresses.go``).  Loopback, link-local IPv6 addresses and
    those of svcform's own link never carry node ports.
    """
    primary = {
        family: address
        for family in Family
        if (address := _primary(family, settings, facts, connection_host))
    }
    return NodeAddresses(
        primary=primary,
        node_port={f: _node_port(f, settings, facts, primary) for f in Family},
        localhost_node_ports=_on_localhost(settings),
    )


def _primary(family: Family, settings: Settings, facts: Facts, connection_host: str) -> str:
    for address in settings.node_ip:
        if family_of(address) is family:
            return address
    host = _canonical(connection_host)
    if host and family_of(host) is family and facts.has_address(host):
        return host
    return facts.default_source.get(family, "")


def _canonical(host: str) -> str:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return ""


def _node_port(
    family: Family, settings: Settings, facts: Facts, primary: Mapping[Family, str]
) -> tuple[str, ...]:
    if settings.node_port_addresses == ("primary",):
        return (primary[family],) if family in primary else ()
    candidates = {a.address for a in facts.addresses if _carries_node_ports(a, family)}
    networks = _networks(settings, family)
    if networks:
        candidates = {
            a for a in candidates if any(ipaddress.ip_address(a) in network for network in networks)
        }
    return tuple(sorted(candidates))


def _networks(
    settings: Settings, family: Family
) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    return [
        ipaddress.ip_network(cidr)
        for cidr in settings.node_port_addresses
        if cidr not in {"all", "primary"} and family_of(cidr) is family
    ]


def _carries_node_ports(entry: InterfaceAddress, family: Family) -> bool:
    if family_of(entry.address) is not family or entry.interface == OWN_LINK:
        return False
    address = ipaddress.ip_address(entry.address)
    return not address.is_loopback and not (address.version == 6 and address.is_link_local)


def _on_localhost(settings: Settings) -> bool:
    if not settings.localhost_node_ports or settings.proxy_mode is not ProxyMode.IPTABLES:
        return False
    networks = _networks(settings, Family.IPV4)
    return not networks or any(ipaddress.ip_address("127.0.0.1") in net for net in networks)
