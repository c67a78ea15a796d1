"""What a proxy in user space is told, whichever program it is: where it listens, and for whom."""

from __future__ import annotations

import re
from typing import NamedTuple

#: Labels of the DNS (RFC 1123), as Kubernetes has them for names; nothing that a program's
#: configuration could take for anything else.
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?")
_ADDRESS = re.compile(r"[0-9a-f:.]+")


class Listener(NamedTuple):
    """A socket, and the endpoints that its connections are spread over.

    ``name`` holds labels parted by dots.  ``endpoints`` are pairs of address and port, and are not
    empty.  With ``affinity_seconds`` a client that was seen within so many seconds goes where it
    went before; ``affinity_entries`` clients are remembered.
    """

    name: str
    address: str
    port: int
    endpoints: tuple[tuple[str, int], ...]
    affinity_seconds: int | None = None
    affinity_entries: int = 0


def place_text(address: str, port: int) -> str:
    """``10.0.0.1:80`` or ``[fd00::1]:80``, of a canonical address; raises ValueError for others."""
    if not 0 < port < 65536:
        raise ValueError(f"no address and port: {address!r}, {port!r}")
    check_address(address)
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def parse_place(text: str) -> tuple[str, int]:
    """The reverse of :func:`place_text`; raises ValueError for a text that it never writes."""
    address, _, port = text.rpartition(":")
    address = address.removeprefix("[").removesuffix("]")
    if not port.isdecimal() or place_text(address, int(port)) != text:
        raise ValueError(f"no address and port: {text!r}")
    return address, int(port)


def check_address(address: str) -> str:
    """The canonical address; raises ValueError for what can be none."""
    if not _ADDRESS.fullmatch(address):
        raise ValueError(f"no address: {address!r}")
    return address


def check_name(name: str) -> str:
    """The name; raises ValueError unless it is labels parted by dots."""
    if not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise ValueError(f"not a name: {name!r}")
    return name
