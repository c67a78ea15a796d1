"""What an arena needs of the node under test, whatever kernel that has."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from svcform.lab import machine, network
from tests.flow import raw

GATEWAY = ("169.254.0.1", "fe80::fe")
#: What the node masquerades as: no flow's source, so that it shows on the node's own flows, too.
MASQUERADE = ("192.168.255.1", "fd00:255::1")
WORLD_MAC = "02:73:76:63:66:77"
NODE_MAC = "02:73:76:63:66:78"
SYSCTLS = (
    ("net.ipv4.conf.all.send_redirects", "0"),
    ("net.ipv4.conf.eth0.send_redirects", "0"),
    ("net.ipv4.conf.all.rp_filter", "0"),
    ("net.ipv4.conf.eth0.rp_filter", "0"),
    ("net.ipv6.conf.all.accept_dad", "0"),
    ("net.ipv6.conf.eth0.accept_dad", "0"),
    ("net.ipv6.conf.eth0.router_solicitations", "0"),
    *network.QUIET_LIMITS,
    *network.FORWARDING,
)
#: The node's end of its link, for ``ip``.
LINK = ("link set lo up", f"link set eth0 address {NODE_MAC} up")


class Node(Protocol):
    """A booted node, whose only link, eth0, leads into the world.

    ``disk`` is where its /etc and /var are; ``ears`` are readable when :meth:`hear` has something;
    ``patience`` is how many seconds a packet may take through it.
    """

    disk: Path
    ears: Sequence[socket.socket]
    patience: float

    def exec(self, *argv: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run a command, both streams captured."""
        ...

    def say(self, packet: bytes) -> None:
        """Send a packet, from its IP header on, as the node."""
        ...

    def hear(self) -> Iterable[bytes]:
        """The packets, from the IP header on, that have been delivered to the node by now."""
        ...

    def settle(self) -> None:
        """Wait until all that was said is sent, and all that was delivered can be heard."""
        ...


def make_disk(disk: Path, iptables: str) -> None:
    """A machine's disk, with a variant of iptables chosen as Debian's alternatives do it.

    With ``none`` there is no iptables.
    """
    machine.make_disk(disk, "arena")
    for tool in ("iptables", "ip6tables"):
        for suffix in ("", "-restore", "-save"):
            link = disk / f"etc/alternatives/{tool}{suffix}"
            link.unlink(missing_ok=True)
            if iptables != "none":
                link.symlink_to(f"/usr/sbin/{tool}-{iptables}{suffix}")


def open_link(name: str) -> socket.socket:
    """A socket on a link of the network namespace that the caller is in."""
    link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
    link.bind((name, 0x0003))
    return raw.enlarged(link)
