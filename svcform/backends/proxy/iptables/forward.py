"""One jump in FORWARD lets Service traffic through, both ways, and nothing else.

It is there before FORWARD drops anything: ufw and Docker may set its policy at any time.
"""

from __future__ import annotations

from functools import lru_cache

from svcform.backends.proxy.iptables.addresses import contains
from svcform.backends.proxy.iptables.common import Common
from svcform.backends.proxy.iptables.dispatch import AddressTable, Original, Rules, port_dispatch
from svcform.backends.proxy.iptables.ports import Chains, Entry
from svcform.backends.proxy.iptables.shape import Shape
from svcform.lang.iptables import rule as r
from svcform.policy.node_addresses import NodeAddresses

FORWARD = "SVCFORM-FORWARD"
TO_VIPS = "SVCFORM-FORWARD-VIPS"
TO_NODE_PORTS = "SVCFORM-FORWARD-NODEPORTS"


def forward_chains(common: Common, shape: Shape, addresses: NodeAddresses) -> Chains:
    """The chain behind the jump, which only sees packets of connections that were translated.

    Which translation it was shows in the connection's original destination: a rule of somebody
    else's (Docker's published ports) is never overruled.
    """
    chains = dict(_by_frontend(common, shape))
    rules = [Original.address(cidr, r.ACCEPT) for cidr in shape.service_cidrs]
    if TO_NODE_PORTS in chains:
        rules += [
            Original.address(shape.host(address), r.Verdict(TO_NODE_PORTS))
            for address in addresses.node_port[shape.family]
        ]
    if TO_VIPS in chains:
        rules.append(r.Rule(r.Verdict(TO_VIPS)).write())
    chains[FORWARD] = tuple(rules)
    return chains


@lru_cache(maxsize=16)
def _by_frontend(common: Common, shape: Shape) -> Chains:
    table = AddressTable(shape.family, Original)
    node_ports: dict[tuple[str, int], Rules] = {}
    for entry in common.entries:
        at = (entry.protocol, entry.port)
        if entry.address is None:
            node_ports[at] = (Original.ports(*at, entry.port, r.ACCEPT),)
        elif not contains(shape.service_cidrs, entry.address):
            table.frontends[entry.address][at] = (_accept(entry, shape),)
    chains = table.chains(TO_VIPS, "SVCFORM-O-")
    if node_ports:
        chains[TO_NODE_PORTS] = port_dispatch(node_ports, chains, _name, Original)
    return chains


def _accept(entry: Entry, shape: Shape) -> str:
    original = r.Conntrack(
        destination=shape.host(entry.address or ""), ports=(entry.port, entry.port)
    )
    return r.Rule(r.ACCEPT, (original,), entry.protocol).write()


def _name(protocol: str, span: str) -> str:
    return f"SVCFORM-FN-{protocol}-{span}"
