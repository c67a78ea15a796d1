"""From which endpoints a packet can come back to itself through a node."""

from __future__ import annotations

import ipaddress
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from svcform.model.net import Family, family_of
from svcform.model.node import Node
from svcform.model.settings import Settings
from svcform.policy.endpoints import Viewpoint, select, usable
from svcform.policy.frontends import FamilyPort


class Placed(NamedTuple):
    """Endpoint addresses by where they are.

    ``by_node`` are those whose slice names a node.  The others may be anywhere: ``everywhere``
    (sorted) where the nodes have no ``pod_cidrs`` of the family, else ``unplaced``, by family, as
    sorted pairs of the address's number and its text, so that a CIDR is a slice of them.
    """

    by_node: Mapping[str, frozenset[str]]
    everywhere: tuple[str, ...]
    unplaced: Mapping[Family, tuple[tuple[int, str], ...]]


def place(
    common: Iterable[FamilyPort], own: Iterable[FamilyPort], pod_families: frozenset[Family]
) -> Placed:
    """Sort endpoint addresses by place; of ``own`` ports only those that name no node.

    Which endpoints of an ``own`` port are reachable differs from node to node:
    :func:`reachable_here` says it.
    """
    by_node: dict[str, set[str]] = {}
    unplaced: dict[Family, set[str]] = {family: set() for family in Family}
    for subject in common:
        for endpoint in usable(subject.endpoints):
            if endpoint.node:
                by_node.setdefault(endpoint.node, set()).add(endpoint.address)
            else:
                unplaced[subject.family].add(endpoint.address)
    for subject in own:
        if subject.uses.cluster:
            unplaced[subject.family].update(
                endpoint.address for endpoint in usable(subject.endpoints) if not endpoint.node
            )
    return Placed(
        {node: frozenset(addresses) for node, addresses in by_node.items()},
        tuple(
            sorted(
                a for f, addresses in unplaced.items() if f not in pod_families for a in addresses
            )
        ),
        {
            family: tuple(sorted((int(ipaddress.ip_address(a)), a) for a in unplaced[family]))
            for family in pod_families
        },
    )


def reachable_here(subject: FamilyPort, viewpoint: Viewpoint) -> set[str]:
    """The addresses of a port's endpoints on a node that the node itself may choose."""
    here = {e.address for e in subject.endpoints if e.node == viewpoint.node}
    if not here:
        return here
    chosen = select(subject.endpoints, subject.uses, viewpoint).reachable
    return here & {destination.address for destination in chosen}


def unplaced_here(node: Node, placed: Placed) -> set[str]:
    """The endpoints of ``placed.unplaced`` that are in the node's ``pod_cidrs``, or are itself."""
    found: set[str] = set()
    for addresses in placed.unplaced.values():
        for cidr in (*node.settings.pod_cidrs, *node.settings.node_ip, node.connection.host):
            found.update(_inside(addresses, cidr))
    return found


def may_be_here(addresses: Iterable[str], settings: Settings, host: str) -> set[str]:
    """Those endpoints of which nobody knows the node that can be on this one.

    ``host`` is how the node is reached, a name or an address.
    """
    own = {*settings.node_ip, host}
    pods = [ipaddress.ip_network(cidr) for cidr in settings.pod_cidrs]
    families = set(map(family_of, settings.pod_cidrs))
    return {
        address
        for address in addresses
        if address in own
        or family_of(address) not in families
        or any(ipaddress.ip_address(address) in network for network in pods)
    }


def merge(placed: Placed, here: set[str]) -> tuple[str, ...]:
    """``placed.everywhere`` and ``here``, sorted; the former itself if ``here`` adds nothing."""
    added = here.difference(placed.everywhere) if here else here
    return tuple(sorted((*placed.everywhere, *added))) if added else placed.everywhere


def _inside(addresses: tuple[tuple[int, str], ...], cidr: str) -> list[str]:
    try:
        network = ipaddress.ip_network(cidr)
    except ValueError:  # a connection's host can be a name
        return []
    first, last = int(network.network_address), int(network.broadcast_address)
    start = bisect_left(addresses, (first, ""))
    end = bisect_right(addresses, (last, "\U0010ffff"))
    return [address for _, address in addresses[start:end] if family_of(address) is family_of(cidr)]
