"""First packets of flows, and their answers, as bytes: what the arena sends and recognises.

Every packet carries a token that NAT leaves alone (TCP: sequence number, UDP: payload, SCTP:
initiate tag), so that thousands of flows can be on their way at once.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from ipaddress import ip_address

from svcform.lab.sctp import crc32c
from svcform.model.net import Protocol

NUMBER = {Protocol.TCP: 6, Protocol.UDP: 17, Protocol.SCTP: 132}
PROTOCOL = {number: protocol for protocol, number in NUMBER.items()}
_ICMP = {1: 4, 58: 6}
_WORD = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet as seen: who to whom, and its token.

    ``icmp`` is (type, code) of an ICMP error about the packet; source and destination are then
    those of the error.  ``is_answer`` tells an answer from a first packet.
    """

    source: str
    destination: str
    protocol: Protocol
    source_port: int
    port: int
    token: int
    is_answer: bool = False
    icmp: tuple[int, int] | None = None


def _sum(data: bytes) -> int:
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def packed(address: str) -> bytes:
    return ip_address(address).packed


def _transport(first: Packet) -> bytes:
    """The transport header and payload of a first packet or an answer, without its checksum."""
    ports = struct.pack("!HH", first.source_port, first.port)
    if first.protocol is Protocol.TCP:
        numbers = (1, (first.token + 1) & _WORD) if first.is_answer else (first.token, 0)
        flags = 0x12 if first.is_answer else 0x02
        return ports + struct.pack("!IIBBHHH", *numbers, 0x50, flags, 65535, 0, 0)
    if first.protocol is Protocol.UDP:
        payload = struct.pack("!IB", first.token, first.is_answer)
        return ports + struct.pack("!HH", 8 + len(payload), 0) + payload
    cookie = b""
    if first.is_answer:
        cookie = struct.pack("!HHI", 7, 8, first.token)
    tag = first.token
    chunk = (
        struct.pack(
            "!BBHIIHHI", 2 if first.is_answer else 1, 0, 20 + len(cookie), tag, 65535, 1, 1, 1
        )
        + cookie
    )
    return ports + struct.pack("!II", tag if first.is_answer else 0, 0) + chunk


def build(packet: Packet) -> bytes:
    """The whole IP packet."""
    return wrap(packet.source, packet.destination, packet.protocol, _transport(packet))


def wrap(source_name: str, destination_name: str, protocol: Protocol, body: bytes) -> bytes:
    """An IP packet around a transport header and payload, whose checksum is filled in."""
    source, destination = packed(source_name), packed(destination_name)
    number = NUMBER[protocol]
    if protocol is Protocol.SCTP:
        body = body[:8] + struct.pack("<I", crc32c(body)) + body[12:]
    else:
        pseudo = source + destination + struct.pack("!II", len(body), number)
        at = 16 if protocol is Protocol.TCP else 6
        checksum = _sum(pseudo + body) or 0xFFFF
        body = body[:at] + struct.pack("!H", checksum) + body[at + 2 :]
    if len(source) == 16:
        return struct.pack("!IHBB", 6 << 28, len(body), number, 64) + source + destination + body
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0x4000, 64, number, 0)
    head += source + destination
    return head[:10] + struct.pack("!H", _sum(head)) + head[12:] + body


def answer_to(packet: Packet) -> Packet:
    """What whoever received a first packet sends back."""
    return Packet(
        packet.destination,
        packet.source,
        packet.protocol,
        packet.port,
        packet.source_port,
        packet.token,
        is_answer=True,
    )


def parse(data: bytes) -> Packet | None:
    """A packet from its bytes, from the IP header on; None for anything that isn't the arena's."""
    if len(data) < 28:
        return None
    if data[0] >> 4 == 4:
        header = (data[0] & 0xF) * 4
        number = data[9]
        source, destination = data[12:16], data[16:20]
        family = socket.AF_INET
    elif data[0] >> 4 != 6 or len(data) < 48:
        return None  # such as ARP
    else:
        header = 40
        number = data[6]
        source, destination = data[8:24], data[24:40]
        family = socket.AF_INET6
    body = data[header:]
    names = (socket.inet_ntop(family, source), socket.inet_ntop(family, destination))
    return parse_transport(names[0], names[1], number, body)


def parse_transport(source: str, destination: str, number: int, body: bytes) -> Packet | None:
    """A packet from its addresses, its protocol's number, and the bytes behind the IP header."""
    if number in _ICMP and len(body) > 8:
        inner = parse(body[8:])
        if inner is None:
            return None
        return Packet(
            source,
            destination,
            inner.protocol,
            inner.source_port,
            inner.port,
            inner.token,
            inner.is_answer,
            (body[0], body[1]),
        )
    protocol = PROTOCOL.get(number)
    if protocol is None or len(body) < 8:
        return None
    source_port, port = struct.unpack_from("!HH", body)
    token = _token(protocol, body)
    if token is None:
        return None
    return Packet(source, destination, protocol, source_port, port, *token)


def _token(protocol: Protocol, body: bytes) -> tuple[int, bool] | None:
    if protocol is Protocol.TCP and len(body) >= 14:
        sequence, acknowledged = struct.unpack_from("!II", body, 4)
        flags = body[13] & 0x17
        # As TCP has it: on its way it may get options, and then looks like a program's.
        return {0x02: (sequence, False), 0x12: ((acknowledged - 1) & _WORD, True)}.get(flags)
    if protocol is Protocol.TCP:  # 8 bytes of it in an ICMP error
        return struct.unpack_from("!I", body, 4)[0], False
    if protocol is Protocol.UDP and len(body) >= 13:
        return struct.unpack_from("!I", body, 8)[0], bool(body[12])
    if protocol is Protocol.SCTP and len(body) >= 20 and body[12] in (1, 2):
        return struct.unpack_from("!I", body, 16)[0], body[12] == 2
    return None
