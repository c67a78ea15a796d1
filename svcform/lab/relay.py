"""How the host reaches the nodes: a port on 127.0.0.1 a node, relayed from the controller's place.

The connection to the node's sshd starts in the controller's network namespace, so it crosses the
bridge and the node's own rules as any operator's does: a plan that would lock the operator out
does.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket

from svcform.lab.kernel import inside

_CHUNK = 262144


async def relay(host: socket.socket, controller: int, target: tuple[str, int]) -> None:
    """Serve a listening socket of the host for ever: each connection is led to ``target``."""

    async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            onward_reader, onward_writer = await _connect(controller, target)
        except OSError:
            writer.transport.abort()
            return
        await asyncio.gather(_pump(reader, onward_writer), _pump(onward_reader, writer))

    await asyncio.start_server(lead, sock=host, limit=_CHUNK)


async def _connect(
    controller: int, target: tuple[str, int]
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    with inside(controller):
        onward = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    onward.settimeout(0)
    try:
        await asyncio.get_running_loop().sock_connect(onward, target)
    except OSError:
        onward.close()
        raise
    return await asyncio.open_connection(sock=onward, limit=_CHUNK)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError, RuntimeError):
        if writer.can_write_eof() and not writer.is_closing():
            writer.write_eof()
        else:
            writer.close()
