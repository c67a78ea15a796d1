"""INIT and INIT ACK of SCTP by raw sockets, for kernels without SCTP (RFC 9260 3.3.2, 3.3.3).

They pass conntrack and NAT as the real ones do.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

INIT = 1
INIT_ACK = 2
ABORT = 6
_PROTOCOL = 132
_COOKIE = 7


def _table() -> tuple[int, ...]:
    rows = []
    for value in range(256):
        row = value
        for _ in range(8):
            row = (row >> 1) ^ (0x82F63B78 if row & 1 else 0)
        rows.append(row)
    return tuple(rows)


_CRC32C = _table()


def crc32c(data: bytes) -> int:
    """The checksum of RFC 9260 appendix A, as the little-endian number that goes on the wire."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ _CRC32C[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Packet:
    """The first chunk of an SCTP packet, as received."""

    peer: str
    source_port: int
    destination_port: int
    chunk: int
    initiate_tag: int
    cookie: bytes

    @property
    def is_init(self) -> bool:
        """Whether it opens an association."""
        return self.chunk == INIT


def open_raw(address: str) -> socket.socket:
    """A non-blocking raw socket for an own address, in the thread's network namespace."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    raw = socket.socket(family, socket.SOCK_RAW, _PROTOCOL)
    raw.settimeout(0)
    raw.bind((address, 0))
    return raw


def _packet(source: int, destination: int, tag: int, chunk: bytes) -> bytes:
    blank = struct.pack("!HHII", source, destination, tag, 0) + chunk
    return blank[:8] + struct.pack("<I", crc32c(blank)) + blank[12:]


def init(source_port: int, destination_port: int, tag: int) -> bytes:
    """A packet that opens an association; ``tag`` is the initiate tag, not 0."""
    body = struct.pack("!IIHHI", tag, 65535, 1, 1, 1)
    chunk = struct.pack("!BBH", INIT, 0, 4 + len(body)) + body
    return _packet(source_port, destination_port, 0, chunk)


def init_ack(received: Packet, cookie: bytes) -> bytes:
    """The answer to an INIT; ``cookie`` travels as the state cookie."""
    padded = cookie + b"\0" * (-len(cookie) % 4)
    parameter = struct.pack("!HH", _COOKIE, 4 + len(cookie)) + padded
    body = struct.pack("!IIHHI", received.initiate_tag, 65535, 1, 1, 1) + parameter
    chunk = struct.pack("!BBH", INIT_ACK, 0, 4 + len(body)) + body
    return _packet(received.destination_port, received.source_port, received.initiate_tag, chunk)


def receive(raw: socket.socket) -> Packet | None:
    """The next packet, or None where there is none, or one that is not whole."""
    try:
        data, peer = raw.recvfrom(65536)
    except (BlockingIOError, ConnectionError, OSError):
        return None
    if raw.family == socket.AF_INET:
        data = data[(data[0] & 0xF) * 4 :]
    return parse(data, peer[0].partition("%")[0])


def parse(data: bytes, peer: str) -> Packet | None:
    """An SCTP packet from its bytes (no IP header), or None if it is not whole."""
    if len(data) < 16:
        return None
    source, destination, _tag, _crc = struct.unpack_from("!HHII", data)
    chunk, _flags, length = struct.unpack_from("!BBH", data, 12)
    tag = struct.unpack_from("!I", data, 16)[0] if len(data) >= 20 else 0
    cookie = b""
    if chunk == INIT_ACK and length >= 24 and len(data) >= 36:
        _type, size = struct.unpack_from("!HH", data, 32)
        cookie = data[36 : 32 + size]
    return Packet(peer, source, destination, chunk, tag, cookie)
