"""The lab's wiring: a fabric with a bridge and a router, and who is plugged into it.

::

    client --- fabric (router) === bridge === controller, node-1 --- endpoints, node-2 --- …

Nothing of it touches the network of the host.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from svcform.errors import LabError
from svcform.lab import addresses
from svcform.lab.kernel import inside
from svcform.lab.spec import EndpointSpec, NodeSpec

#: ICMP errors must not be held back, or a REJECT looks like a DROP now and then.
QUIET_LIMITS = (
    ("net.ipv4.icmp_ratelimit", "0"),
    ("net.ipv4.icmp_msgs_per_sec", "1000000"),
    ("net.ipv4.icmp_msgs_burst", "1000000"),
    ("net.ipv6.icmp.ratelimit", "0"),
)
_NO_DAD = (("net.ipv6.conf.all.accept_dad", "0"), ("net.ipv6.conf.default.accept_dad", "0"))
_GATEWAY_MAC = "02:73:76:63:66:01"
#: Fixed, for neighbours remember them while a node boots anew.
_BRIDGE_MAC = "02:73:76:63:66:02"
FORWARDING = (("net.ipv4.ip_forward", "1"), ("net.ipv6.conf.all.forwarding", "1"))
NOT_FORWARDING = (("net.ipv4.ip_forward", "0"), ("net.ipv6.conf.all.forwarding", "0"))


@dataclass(frozen=True, slots=True)
class Wire:
    """Both ends of a link: names and network namespaces."""

    name: str
    network: int
    peer_name: str
    peer_network: int


def ip(network: int, commands: Iterable[str]) -> None:
    """Run commands of ``ip(8)`` in one go in a network namespace.

    Raises :class:`LabError` with what ``ip`` said.
    """
    batch = "\n".join(commands) + "\n"
    with inside(network):
        done = subprocess.run(
            ["ip", "-batch", "-"], input=batch, capture_output=True, text=True, check=False
        )
    if done.returncode != 0:
        raise LabError(f"The lab's network can't be made: {done.stderr.strip()}.")


def set_sysctls(network: int, sysctls: Iterable[tuple[str, str]]) -> None:
    """Write sysctls in a network namespace; those that the kernel has not there are left out."""
    with inside(network):
        for name, value in sysctls:
            path = f"/proc/sys/{name.replace('.', '/')}"
            try:
                descriptor = os.open(path, os.O_WRONLY)
            except (FileNotFoundError, PermissionError):
                continue
            with os.fdopen(descriptor, "w") as file:
                file.write(value)


def wire(link: Wire) -> None:
    """Make a link between two network namespaces, both ends down."""
    peer = f"/proc/{os.getpid()}/fd/{link.peer_network}"
    ip(link.network, [f"link add {link.name} type veth peer name {link.peer_name} netns {peer}"])


def make_fabric(fabric: int) -> None:
    """The bridge of the nodes, and the router to the outside."""
    set_sysctls(fabric, (*_NO_DAD, *QUIET_LIMITS, *FORWARDING))
    v4, v6 = addresses.ROUTER
    ip(
        fabric,
        [
            "link set lo up",
            f"link add br0 address {_BRIDGE_MAC} type bridge",
            f"address add {v4}/24 dev br0",
            f"address add {v6}/64 dev br0 nodad",
            "link set br0 up",
        ],
    )


def node_port(number: int) -> str:
    """The name of the bridge's port that a node is plugged into."""
    return f"port{number}"


def plug(fabric: int, network: int, port: str, own: Sequence[str], *, route: bool) -> None:
    """Plug a namespace into the bridge: its ``eth0``, with addresses and a default route.

    Its MAC address follows from its IPv4 address.
    """
    wire(Wire(port, fabric, "eth0", network))
    ip(fabric, [f"link set {port} master br0 up"])
    ip(network, [f"link set eth0 address 02:73:76:63:00:{int(own[0].rpartition('.')[2]):02x}"])
    set_sysctls(network, (*_NO_DAD, *QUIET_LIMITS))
    _start_link(network, own, addresses.ROUTER if route else ())


def _start_link(network: int, own: Sequence[str], routers: Sequence[str]) -> None:
    lengths = {4: 24, 6: 64}
    commands = ["link set lo up", "link set eth0 up"]
    for address in own:
        nodad = " nodad" if ":" in address else ""
        commands.append(f"address add {address}/{lengths[_version(address)]} dev eth0{nodad}")
    commands += [f"route add default via {router}" for router in routers]
    ip(network, commands)


def _version(address: str) -> int:
    return 6 if ":" in address else 4


def plug_client(fabric: int, client: int) -> None:
    """A machine outside of the cluster, behind the router."""
    wire(Wire("outside", fabric, "eth0", client))
    v4, v6 = addresses.OUTSIDE_ROUTER
    ip(
        fabric,
        [
            f"address add {v4}/24 dev outside",
            f"address add {v6}/64 dev outside nodad",
            "link set outside up",
        ],
    )
    set_sysctls(client, (*_NO_DAD, *QUIET_LIMITS))
    _start_link(client, addresses.CLIENT, addresses.OUTSIDE_ROUTER)


def route_pods(fabric: int, nodes: Mapping[str, int], specs: Sequence[NodeSpec]) -> None:
    """Let everybody on the bridge know behind which node the pod CIDRs are."""
    # Whatever else the world outside asks for (a VIP of any kind) it asks of the first node.
    first = addresses.node_addresses(1)
    ip(fabric, [f"route add default via {via}" for via in first])
    route_pods_of(fabric, "", specs)
    for name, network in nodes.items():
        route_pods_of(network, name, specs)


def route_pods_of(network: int, own: str, specs: Sequence[NodeSpec]) -> None:
    """Let one place on the bridge know it, for the nodes other than itself."""
    commands = [
        f"route add {cidr} via {via}"
        for number, node in enumerate(specs, start=1)
        for cidr, via in zip(
            addresses.pod_cidrs(number), addresses.node_addresses(number), strict=True
        )
        if node.name != own
    ]
    if commands:
        ip(network, commands)


def plug_endpoint(node: int, network: int, number: int, endpoint: EndpointSpec) -> None:
    """Route a namespace behind a node: a link of its own, as Calico does it."""
    port = f"pod{number}"
    wire(Wire(port, node, "eth0", network))
    # No IPv4 address at the node's end: it would become the source of what the node masquerades.
    at_node = [f"link set {port} address {_GATEWAY_MAC} up"]
    at_node.append(f"address add fe80::1/64 dev {port} nodad")
    set_sysctls(network, (*_NO_DAD, *QUIET_LIMITS))
    at_pod = ["link set lo up", "link set eth0 up"]
    for address in endpoint.addresses:
        version = _version(address)
        length = 128 if version == 6 else 32
        nodad = " nodad" if version == 6 else ""
        at_node.append(f"route add {address}/{length} dev {port}")
        at_pod.append(f"address add {address}/{length} dev eth0{nodad}")
    at_pod += [
        "route add 169.254.1.1/32 dev eth0",
        f"neighbour add 169.254.1.1 lladdr {_GATEWAY_MAC} dev eth0 nud permanent",
        "route add default via 169.254.1.1",
        "route add default via fe80::1 dev eth0",
    ]
    ip(node, at_node)
    ip(network, at_pod)
