"""Raw sockets that hear and send as a node, whole packets from the IP header on.

Standard library only: the agent in a guest starts with them, too.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator

IPV4, IPV6 = 0x0800, 0x86DD
#: ICMP, TCP, UDP and SCTP.
_HEARD = {socket.AF_INET: (1, 6, 17, 132), socket.AF_INET6: (58, 6, 17, 132)}
_SO_SNDBUFFORCE, _SO_RCVBUFFORCE = 32, 33


def enlarged(opened: socket.socket) -> socket.socket:
    """The socket, that never waits, with room for all packets of a batch."""
    for option in (_SO_RCVBUFFORCE, _SO_SNDBUFFORCE):
        opened.setsockopt(socket.SOL_SOCKET, option, 32 << 20)
    opened.setblocking(False)
    return opened


def open_ears() -> list[socket.socket]:
    """Sockets that hear all that is delivered on the node."""
    ears = []
    for family, protocols in _HEARD.items():
        for protocol in protocols:
            ear = socket.socket(family, socket.SOCK_RAW, protocol)
            if family == socket.AF_INET6:
                ear.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
            ears.append(enlarged(ear))
    return ears


def open_mouths() -> dict[int, socket.socket]:
    """Sockets that send as the node, by what they take: ``IPV4`` or ``IPV6``."""
    families = {IPV4: socket.AF_INET, IPV6: socket.AF_INET6}
    return {
        kind: enlarged(socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW))
        for kind, family in families.items()
    }


def say(mouths: dict[int, socket.socket], packet: bytes) -> None:
    """Send a packet as the node, to the address that it carries."""
    if packet[0] >> 4 == 6:
        mouth, target = mouths[IPV6], (socket.inet_ntop(socket.AF_INET6, packet[24:40]), 0, 0, 0)
    else:
        mouth, target = mouths[IPV4], (socket.inet_ntoa(packet[16:20]), 0)
    # A full queue or a REJECT in OUTPUT shows as an error of send; the ICMP error counts.
    with contextlib.suppress(OSError):
        mouth.sendto(packet, target)


def hear(ear: socket.socket) -> Iterator[bytes]:
    """All packets that an ear has heard by now."""
    while True:
        try:
            data, ancillary, _, address = ear.recvmsg(4096, 256)
        except BlockingIOError:
            return
        except OSError:
            continue  # an ICMP error that the kernel reports on a raw socket, too
        yield data if ear.family == socket.AF_INET else _with_header(ear, data, ancillary, address)


def _with_header(ear: socket.socket, data: bytes, ancillary: list, address: tuple) -> bytes:
    """The packet with an IPv6 header as it had; sockets of IPv6 leave it out."""
    destination = next(
        value[:16]
        for level, kind, value in ancillary
        if (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO)
    )
    source = socket.inet_pton(socket.AF_INET6, address[0].partition("%")[0])
    return struct.pack("!IHBB", 6 << 28, len(data), ear.proto, 64) + source + destination + data
