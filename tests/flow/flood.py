"""Millions of new UDP flows through an arena's node, as fast as the kernel carries them.

The packets of a round stand in a ring that the kernel sends from (``packet_mmap``), and are made
once: from one round to the next only the source changes, one word of it up by one and another one
down by one, which no checksum notices.  They are counted where they arrive.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import mmap
import os
import socket
import struct
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from svcform.lab import kernel
from svcform.model.net import Protocol
from tests.flow import packets, raw
from tests.flow.arena import Arena
from tests.flow.node import NODE_MAC, WORLD_MAC
from tests.flow.packets import Packet

#: Flows of a round: one for each source port; a whole number of blocks of the ring.
ROUND = 28_000
_FIRST_PORT = 2_000
_SOL_PACKET, _PACKET_TX_RING = 263, 13
#: ``struct tpacket_hdr``: status and length come first, and the packet 32 bytes behind.
_HEAD, _SLOT, _BLOCK = 32, 128, 4096
_TO_SEND = 1
#: Sources, and where in a frame the low bytes of the words are that change with the rounds.
_SOURCES = (("10.0.0.255", 27, 29), ("2001:db8:77::ff", 35, 37))
_SO_ATTACH_FILTER, _SO_DETACH_FILTER = 26, 27
_SIOCGSKNS = 0x894C  # the network namespace of a socket
_IGNORE_ALL = struct.pack("HBBI", 6, 0, 0, 0)  # BPF: return 0
_COUNTER = """\
table netdev flood {{
	set places4 {{
		type ipv4_addr . inet_service
		counter
		{}
	}}
	set places6 {{
		type ipv6_addr . inet_service
		counter
		{}
	}}
	chain arriving {{
		type filter hook ingress device {} priority 0
		ip daddr . udp dport @places4 drop
		ip6 daddr . udp dport @places6 drop
	}}
}}
"""


@dataclass(slots=True)
class Flood:
    """Rounds of packets to one address and port.

    The flows of 256 rounds are different ones; then they begin again.
    """

    socket: socket.socket
    ring: mmap.mmap
    changing: tuple[int, int]
    rounds: int = 0

    def round(self) -> int:
        """Send a round; how many flows it was."""
        up, down = self.changing
        number = self.rounds % 256
        self.ring[_HEAD + up :: _SLOT] = bytes([number]) * ROUND
        self.ring[_HEAD + down :: _SLOT] = bytes([255 - number]) * ROUND
        self.ring[0::_SLOT] = bytes([_TO_SEND]) * ROUND
        self.socket.send(b"")
        self.rounds += 1
        return ROUND


@contextlib.contextmanager
def open_flood(arena: Arena, address: str, port: int) -> Iterator[Flood]:
    """Make the packets of a round to a Service."""
    source, *changing = _SOURCES[":" in address]
    with contextlib.ExitStack() as stack:
        with _inside_world(arena):
            out = stack.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0))
            out.bind((_link_name(arena), 0))
        shape = struct.pack("4I", _BLOCK, ROUND * _SLOT // _BLOCK, _SLOT, ROUND)
        out.setsockopt(_SOL_PACKET, _PACKET_TX_RING, shape)
        ring = stack.enter_context(mmap.mmap(out.fileno(), ROUND * _SLOT))
        kind = raw.IPV6 if ":" in address else raw.IPV4
        frame = bytes.fromhex((NODE_MAC + WORLD_MAC).replace(":", "")) + struct.pack("!H", kind)
        for number in range(ROUND):
            packet = Packet(source, address, Protocol.UDP, _FIRST_PORT + number, port, token=1)
            data = frame + packets.build(packet)
            head = struct.pack("LI", 0, len(data)).ljust(_HEAD, b"\0")
            ring[number * _SLOT : number * _SLOT + _HEAD + len(data)] = head + data
        yield Flood(out, ring, (changing[0], changing[1]))


@contextlib.contextmanager
def counted(arena: Arena, places: Sequence[tuple[str, int]]) -> Iterator[None]:
    """Count what arrives at some addresses and ports, and keep it from the arena itself."""
    elements = [
        "elements = { " + ", ".join(f"{a} . {p}" for a, p in places if (":" in a) is v6) + " }"
        for v6 in (False, True)
    ]
    filled = ["" if text.endswith("{  }") else text for text in elements]
    ignore_all = ctypes.create_string_buffer(_IGNORE_ALL)
    program = struct.pack("HxxxxxxP", 1, ctypes.addressof(ignore_all))
    _nft(arena, "-f", "-", given=_COUNTER.format(*filled, _link_name(arena)))
    arena.link.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
    try:
        yield
    finally:
        arena.link.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)
        _nft(arena, "delete", "table", "netdev", "flood")


def arrived(arena: Arena) -> dict[tuple[str, int], int]:
    """How many packets have come to each address and port."""
    listed = json.loads(_nft(arena, "-j", "list", "table", "netdev", "flood"))
    elements = [e["elem"] for o in listed["nftables"] for e in o.get("set", {}).get("elem", ())]
    return {tuple(e["val"]["concat"]): e["counter"]["packets"] for e in elements}


def _link_name(arena: Arena) -> str:
    return arena.link.getsockname()[0]


@contextlib.contextmanager
def _inside_world(arena: Arena) -> Iterator[None]:
    network = fcntl.ioctl(arena.link.fileno(), _SIOCGSKNS)
    try:
        with kernel.inside(network):
            yield
    finally:
        os.close(network)


def _nft(arena: Arena, *words: str, given: str = "") -> str:
    with _inside_world(arena):
        done = subprocess.run(
            ["nft", *words], input=given, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stderr
    return done.stdout
