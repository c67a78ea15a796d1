"""How a running lab is told to do something: a socket in its folder, on which its supervisor hears.

A request is a line, an action and a node; so is the answer, empty or why it could not be done.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from svcform.errors import LabError
from svcform.lab.spec import CONTROL

_TIMEOUT = 180.0


async def serve_control(
    directory: Path, actions: Mapping[str, Callable[[str], None]]
) -> asyncio.Server:
    """Hear requests in a lab's folder until the server is closed."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        problem = ""
        action, _, node = (await reader.readline()).decode().strip().partition(" ")
        try:
            actions[action](node)
        except (OSError, LabError, subprocess.SubprocessError) as error:
            problem = " ".join(str(error).split())
        writer.write(f"{problem}\n".encode())
        await writer.drain()
        writer.close()

    with _short(directory) as path:
        return await asyncio.start_unix_server(answer, path)


def tell(directory: Path, action: str, node: str) -> None:
    """Have a lab do something; returns when it is done.  Raises LabError where it can't be."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as ear, _short(directory) as path:
        ear.settimeout(_TIMEOUT)
        try:
            ear.connect(path)
            ear.sendall(f"{action} {node}\n".encode())
            answer = ear.makefile().readline()
        except OSError as error:
            raise LabError(f"The lab in {directory} does not answer: {error}.") from error
    if answer != "\n":
        raise LabError(answer.strip() or f"The lab in {directory} died.")


@contextmanager
def _short(directory: Path) -> Iterator[str]:
    """The socket's path; the kernel takes 107 bytes at most (unix(7)), and folders are longer."""
    folder = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{CONTROL}"
    finally:
        os.close(folder)
