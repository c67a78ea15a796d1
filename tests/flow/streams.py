"""The world's side of connections that a program on the node takes, and makes anew.

Such a program's kernel speaks TCP itself: its segments that open a connection carry options, which
the arena's own never do.  All that is to be known is in the segment that has to be answered, so
nothing is kept of thousands of connections: what a client says is its token, and an endpoint says
the same back.
"""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

from svcform.model.net import Protocol
from svcform.policy.proxied import PROXY_ADDRESSES
from tests.flow import packets
from tests.flow.packets import Packet

_TCP = packets.NUMBER[Protocol.TCP]
_FIN, _SYN, _RST, _PUSH, _ACK = 0x01, 0x02, 0x04, 0x08, 0x10
_WORDS = struct.Struct("!IB")
_NO_OPTIONS = 5
_PROGRAMS = frozenset(map(packets.packed, PROXY_ADDRESSES.values()))


class Turn(NamedTuple):
    """What a segment means to the arena, and what is said to it.

    ``accepted`` is the token of a flow that a program has taken.
    """

    packet: Packet | None = None
    reply: bytes = b""
    accepted: int | None = None


class _Segment(NamedTuple):
    source: str
    destination: str
    source_port: int
    port: int
    sequence: int
    acknowledged: int
    flags: int
    has_options: bool
    said: bytes


def is_for_program(data: bytes) -> bool:
    """Whether a program on the node gets a packet, and has to answer it itself."""
    return (data[16:20] if data[0] >> 4 == 4 else data[24:40]) in _PROGRAMS


def later(packet: Packet) -> bytes:
    """What a client says in a connection that it began a few thousand packets ago at most.

    Its token is the sequence number, too: further on than the first packet's, and in the window.
    """
    ports = (packet.source_port, packet.port)
    head = struct.pack("!HHIIBBHHH", *ports, packet.token, 2, 0x50, _PUSH | _ACK, 65535, 0, 0)
    body = head + _WORDS.pack(packet.token, 0)
    return packets.wrap(packet.source, packet.destination, packet.protocol, body)


def hear(data: bytes) -> Turn | None:
    """The world's turn in a connection; None for a packet that is part of none."""
    segment = _parse(data)
    if segment is None or segment.flags & _RST:
        return None
    opens = segment.flags & (_SYN | _ACK)
    if opens & _SYN:
        return _open(segment, is_first=opens == _SYN) if segment.has_options else None
    if len(segment.said) >= _WORDS.size:
        return _talk(segment)
    if segment.flags & _FIN:
        return Turn(reply=_reply(segment, _RST | _ACK))
    return None


def _open(segment: _Segment, *, is_first: bool) -> Turn:
    if is_first:
        return Turn(reply=_reply(segment, _SYN | _ACK, sequence=0))
    token = (segment.acknowledged - 1) & 0xFFFFFFFF
    said = _WORDS.pack(token, 0)
    return Turn(reply=_reply(segment, _PUSH | _ACK, said=said), accepted=token)


def _talk(segment: _Segment) -> Turn:
    token, is_answer = _WORDS.unpack_from(segment.said)
    packet = Packet(
        segment.source,
        segment.destination,
        Protocol.TCP,
        segment.source_port,
        segment.port,
        token,
        is_answer=bool(is_answer),
    )
    if is_answer:
        # All is said: nobody has to wait for the end of it.
        return Turn(packet, _reply(segment, _RST | _ACK))
    return Turn(packet, _reply(segment, _PUSH | _ACK, said=_WORDS.pack(token, 1)))


def _reply(segment: _Segment, flags: int, *, sequence: int = -1, said: bytes = b"") -> bytes:
    """A whole IP packet back."""
    length = len(segment.said) + bool(segment.flags & _SYN) + bool(segment.flags & _FIN)
    numbers = (
        segment.acknowledged if sequence < 0 else sequence,
        (segment.sequence + length) & 0xFFFFFFFF,
    )
    body = struct.pack(
        "!HHIIBBHHH", segment.port, segment.source_port, *numbers, 0x50, flags, 65535, 0, 0
    )
    return packets.wrap(segment.destination, segment.source, Protocol.TCP, body + said)


def _parse(data: bytes) -> _Segment | None:
    if len(data) < 40:
        return None
    if data[0] >> 4 == 4:
        start, number, family = (data[0] & 0xF) * 4, data[9], socket.AF_INET
        end, names = struct.unpack_from("!H", data, 2)[0], (data[12:16], data[16:20])
    else:
        start, number, family = 40, data[6], socket.AF_INET6
        end, names = 40 + struct.unpack_from("!H", data, 4)[0], (data[8:24], data[24:40])
    if number != _TCP or len(data) < start + 20:
        return None
    ports = struct.unpack_from("!HHIIBB", data, start)
    offset = ports[4] >> 4
    source, destination = (socket.inet_ntop(family, name) for name in names)
    return _Segment(
        source,
        destination,
        *ports[:4],
        ports[5],
        offset > _NO_OPTIONS,
        data[start + offset * 4 : end],
    )
