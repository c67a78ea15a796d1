"""Assume: what stands in for an observation where no node is asked (``svcform render``)."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from types import MappingProxyType

from svcform.backends.contract import Reading, Status
from svcform.backends.registry import BACKENDS
from svcform.engine.observe import Observation
from svcform.engine.recorded import Recorded
from svcform.model.facts import Facts, Init, InterfaceAddress
from svcform.model.net import family_of
from svcform.model.node import Node
from svcform.transport.contract import Binding

_IPTABLES = "v1.8.9 (nf_tables)"
_TOOLS = {
    "iptables": f"iptables {_IPTABLES}",
    "ip6tables": f"ip6tables {_IPTABLES}",
    "iptables-nft": f"iptables {_IPTABLES}",
    "ip6tables-nft": f"ip6tables {_IPTABLES}",
    "nft": "nftables v1.0.6",
    "conntrack": "conntrack v1.4.7 (conntrack-tools)",
    "haproxy": "2.6.12",
    "nginx": "1.22.1",
    **dict.fromkeys(
        (
            "ip",
            "ipset",
            "ipvsadm",
            "modprobe",
            "sysctl",
            "gzip",
            "sha256sum",
            "nginx-stream",
            "bash",
        ),
        "present",
    ),
}
_SYSCTLS = {
    "net.ipv4.ip_forward": "0",
    "net.ipv4.conf.all.route_localnet": "0",
    "net.ipv6.conf.all.forwarding": "0",
    "net.ipv6.conf.all.disable_ipv6": "0",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumption:
    """An observation that nobody made, and the node's own addresses that it assumes."""

    observation: Observation
    own: tuple[str, ...]


#: What every assumption takes for granted.
WORDS = (
    f"iptables {_IPTABLES} and the other tools are there, and systemd starts services",
    "the kernel forwards nothing yet, and nobody uses iptables",
    "nothing of svcform's is there yet, and nothing foreign is in the way",
)


def assume(node: Node) -> Assumption:
    """A node with usual tools, nothing of svcform's, and the addresses that its settings name."""
    own = _own_addresses(node)
    addresses = tuple(
        InterfaceAddress(interface="eth0", address=a, prefix_length=family_of(a).bits) for a in own
    )
    facts = Facts(
        hostname=node.name,
        kernel="6.1.0",
        architecture="x86_64",
        tools=MappingProxyType(_TOOLS),
        sysctls=MappingProxyType(_SYSCTLS),
        init=Init.SYSTEMD,
        init_writable=True,
        addresses=addresses,
        default_source=MappingProxyType({family_of(a): a for a in reversed(own)}),
    )
    readings = {p.name: Reading(status=Status.ABSENT) for b in BACKENDS for p in b.probes()}
    observation = Observation(
        facts=facts,
        readings=MappingProxyType(readings),
        recorded=Recorded(),
        binding=Binding(address=node.connection.host, port=node.connection.port),
    )
    return Assumption(observation=observation, own=own)


def _own_addresses(node: Node) -> tuple[str, ...]:
    if node.settings.node_ip:
        return node.settings.node_ip
    try:
        return (str(ipaddress.ip_address(node.connection.host)),)
    except ValueError:
        return ()
