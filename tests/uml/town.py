"""A client and endpoints around a node in a guest, each in a network namespace of its own.

All are on one link with the node; endpoints are its pods, and know no way but through it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from svcform.lab import kernel, network
from svcform.lab.answer import open_socket
from tests.uml.guest import NO_GSO, TAP
from tests.uml.node import ADDRESS, CONTROLLER, ENDPOINTS, UmlNode

_CLIENT = "192.168.99.50"
_PORT = 8080


@dataclass(frozen=True, slots=True)
class Town:
    """The network namespaces: the client's, and the endpoints' in the order of ``ENDPOINTS``."""

    client: int
    pods: Sequence[int]

    def ask(self, place: int, address: str, port: int, times: int = 1) -> Counter[str]:
        """Who answers so many new connections from a place."""
        found: Counter[str] = Counter()
        for _ in range(times):
            with self.connect(place, address, port) as opened:
                found[say(opened)] += 1
        return found

    def connect(self, place: int, address: str, port: int) -> socket.socket:
        """A connection that ends with a RST: after a FIN, IPVS remembers it for two minutes."""
        with kernel.inside(place):
            opened = socket.create_connection((address, port), timeout=30)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return opened

    def ask_by_datagram(self, place: int, address: str, port: int, times: int) -> Counter[str]:
        """Who answers so many datagrams, each from a port of its own."""
        found: Counter[str] = Counter()
        for _ in range(times):
            with kernel.inside(place):
                opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            with opened:
                opened.settimeout(30)
                opened.connect((address, port))
                found[say(opened)] += 1
        return found


def say(opened: socket.socket) -> str:
    """Ask who is at the other end of a connection: the endpoint's address."""
    opened.sendall(b"who?\n")
    return opened.recv(100).decode().strip()


@contextlib.contextmanager
def new_town(node: UmlNode) -> Iterator[Town]:
    """Put the node's link on a bridge with everybody else; before the node boots."""
    with contextlib.ExitStack() as stack:
        places = [kernel.new_network() for _ in range(1 + len(ENDPOINTS))]
        for place in places:
            stack.callback(os.close, place)
        network.ip(
            node.network,
            [
                "address flush dev lo scope global",
                f"address flush dev {TAP}",
                "link add br0 type bridge",
                f"link set {TAP} master br0",
                f"address add {CONTROLLER}/24 dev br0",
                f"link set br0 {NO_GSO} up",
            ],
        )
        for number, place in enumerate(places):
            network.wire(network.Wire(f"port{number}", node.network, "eth0", place))
            network.ip(node.network, [f"link set port{number} master br0 up"])
        client, *pods = places
        network.ip(client, _links(f"{_CLIENT}/24", "10.96.0.0/16"))
        for pod, address in zip(pods, ENDPOINTS, strict=True):
            network.ip(pod, _links(f"{address}/32", "default"))
            stack.enter_context(_serving(pod, address))
        yield Town(client, pods)


def _links(address: str, destination: str) -> list[str]:
    return [
        "link set lo up",
        "link set eth0 up",
        f"address add {address} dev eth0",
        f"route replace {ADDRESS}/32 dev eth0",
        f"route add {destination} via {ADDRESS}",
    ]


#: What the node knows of its pods, and no short cuts between those that share a link.
ON_NODE = "\n".join(
    [
        *(f"ip route add {address}/32 dev vec0" for address in ENDPOINTS),
        "cd /proc/sys/net/ipv4/conf",
        "for name in all default vec0; do echo 0 >$name/send_redirects; done",
    ]
)


@contextlib.contextmanager
def _serving(place: int, address: str) -> Iterator[None]:
    """An endpoint: it answers all lines and datagrams with its address, until it is closed."""
    door = open_socket(place, address, socket.SOCK_STREAM, _PORT)
    door.listen(64)
    datagrams = open_socket(place, address, socket.SOCK_DGRAM, _PORT)
    for opened in (door, datagrams):
        opened.settimeout(None)
    threading.Thread(target=_accept, args=(door, address), daemon=True).start()
    threading.Thread(target=_answer_datagrams, args=(datagrams, address), daemon=True).start()
    try:
        yield
    finally:
        for opened in (door, datagrams):
            with contextlib.suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)
            opened.close()


def _accept(door: socket.socket, address: str) -> None:
    with contextlib.suppress(OSError):
        while True:
            opened, _ = door.accept()
            threading.Thread(target=_answer, args=(opened, address), daemon=True).start()


def _answer(opened: socket.socket, address: str) -> None:
    with opened, contextlib.suppress(OSError):
        while opened.recv(1000):
            opened.sendall(f"{address}\n".encode())


def _answer_datagrams(opened: socket.socket, address: str) -> None:
    with contextlib.suppress(OSError):
        while True:
            _, client = opened.recvfrom(1000)
            if not client:
                return
            opened.sendto(f"{address}\n".encode(), client)
