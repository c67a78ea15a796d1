"""Endpoints: they answer with who they are and who they think is calling.

The answer is one line, ``endpoint=NAME address=ADDRESS:PORT client=ADDRESS:PORT``; over TCP in an
HTTP response where the request looks like HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import cast

from svcform.lab import sctp
from svcform.lab.kernel import inside
from svcform.lab.spec import EndpointSpec
from svcform.model.net import endpoint_text


def describe(name: str, own: tuple[str, int], peer: tuple[str, int]) -> bytes:
    """The line that an endpoint answers with."""
    line = f"endpoint={name} address={endpoint_text(*own)} client={endpoint_text(*peer)}\n"
    return line.encode()


async def serve(endpoint: EndpointSpec, network: int) -> None:
    """Open all of an endpoint's sockets in its network namespace, and answer from then on."""
    for address in endpoint.addresses:
        for listen in endpoint.listens:
            if listen.protocol == "TCP":
                await _serve_tcp(endpoint.name, network, address, listen.port)
            elif listen.protocol == "UDP":
                await _serve_udp(endpoint.name, network, address, listen.port)
        ports = frozenset(x.port for x in endpoint.listens if x.protocol == "SCTP")
        if ports:
            _serve_sctp(endpoint.name, network, address, ports)


def open_socket(network: int, address: str, kind: socket.SocketKind, port: int) -> socket.socket:
    """A bound, non-blocking socket that lives in a network namespace."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with inside(network):
        opened = socket.socket(family, kind)
    opened.settimeout(0)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    opened.bind((address, port))
    return opened


async def _serve_tcp(name: str, network: int, address: str, port: int) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        own = writer.get_extra_info("sockname")[:2]
        peer = writer.get_extra_info("peername")[:2]
        line = describe(name, own, peer)
        with contextlib.suppress(OSError, TimeoutError):
            request = await asyncio.wait_for(reader.read(4096), timeout=120)
            if b" HTTP/" in request:
                head = f"HTTP/1.0 200 OK\r\nContent-Length: {len(line)}\r\n\r\n"
                line = head.encode() + line
            writer.write(line)
            await writer.drain()
        writer.close()

    opened = open_socket(network, address, socket.SOCK_STREAM, port)
    await asyncio.start_server(answer, sock=opened)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, name: str, own: tuple[str, int]) -> None:
        self._name = name
        self._own = own
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Python 3.11's transport for datagrams is none by its class.
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        del data
        if self._transport is not None:
            self._transport.sendto(describe(self._name, self._own, addr[:2]), addr)


async def _serve_udp(name: str, network: int, address: str, port: int) -> None:
    opened = open_socket(network, address, socket.SOCK_DGRAM, port)
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: _Datagrams(name, (address, port)), sock=opened)


def _serve_sctp(name: str, network: int, address: str, ports: frozenset[int]) -> None:
    with inside(network):
        raw = sctp.open_raw(address)

    def answer() -> None:
        received = sctp.receive(raw)
        if received is None or received.destination_port not in ports or not received.is_init:
            return
        peer = (received.peer, received.source_port)
        line = describe(name, (address, received.destination_port), peer)
        with contextlib.suppress(OSError):
            raw.sendto(sctp.init_ack(received, line), (received.peer, 0))

    asyncio.get_running_loop().add_reader(raw.fileno(), answer)
    _RAW.append(raw)


#: Raw sockets are held here; a reader alone would let them be collected.
_RAW: list[socket.socket] = []
