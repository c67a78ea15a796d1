"""New connections to frontends, one after the other, until told to stop; and some that stay.

Each TCP frontend also gets connections whose client takes a second to ask.

``python -m tests.fleet.load ADDRESS PROTOCOL:PORT…`` prints ``ready``, and at the end one line of
JSON for each frontend: how many new connections there were, how many failed, whether those that
were there at the start still reach the endpoint that they had, and whether those of UDP reach any.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import select
import socket
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from svcform.lab import sctp

_PATIENCE = 3.0
_KEPT = 4
_PACE = 0.005
_HESITATION = 1.0
_TAGS = itertools.count(1)
_SOURCE_PORTS = itertools.count(20_000)


class Client(Protocol):
    """A connection, or what stands for one."""

    def ask(self) -> str:
        """The endpoint that answers; raises OSError."""
        ...

    def close(self) -> None: ...


@dataclass(slots=True)
class Socket:
    """A TCP connection, or a UDP socket."""

    socket: socket.socket

    @classmethod
    def open(cls, kind: socket.SocketKind, address: str, port: int) -> Socket:
        made = socket.socket(socket.AF_INET, kind)
        made.settimeout(_PATIENCE)
        if kind is socket.SOCK_DGRAM:
            # Of the ports that the kernel would give, one in a hundred is one that conntrack knows.
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(("", next(_SOURCE_PORTS)))
        made.connect((address, port))
        return cls(made)

    def ask(self) -> str:
        self.socket.sendall(b"who?\n")
        return _endpoint(self.socket.recv(4096))

    def close(self) -> None:
        self.socket.close()


@dataclass(slots=True)
class Association:
    """As much of SCTP as an INIT and its answer; the ports stay."""

    address: str
    port: int
    own: str
    source_port: int = field(default_factory=lambda: next(_SOURCE_PORTS))

    def ask(self) -> str:
        with contextlib.closing(sctp.open_raw(self.own)) as raw:
            raw.sendto(sctp.init(self.source_port, self.port, next(_TAGS)), (self.address, 0))
            limit = time.monotonic() + _PATIENCE
            while (left := limit - time.monotonic()) > 0 and select.select([raw], [], [], left)[0]:
                found = sctp.receive(raw)
                if found and (found.peer, found.destination_port) == (
                    self.address,
                    self.source_port,
                ):
                    return _endpoint(found.cookie)
        raise TimeoutError

    def close(self) -> None:
        """Nothing is open."""


def _endpoint(answer: bytes) -> str:
    found = re.match(rb"endpoint=(\S+)", answer)
    if found is None:
        raise OSError(f"{answer!r}")
    return found[1].decode()


@dataclass(slots=True)
class Frontend:
    """What was seen of one."""

    protocol: str
    address: str
    port: int
    count: int = 0
    failed: list[str] = field(default_factory=list)
    kept: bool = True
    served: bool = True
    _stay: list[tuple[Client, str]] = field(default_factory=list)
    _slow: deque[tuple[float, Client]] = field(default_factory=deque)

    def _open(self) -> Client:
        if self.protocol == "SCTP":
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.connect((self.address, self.port))
                return Association(self.address, self.port, probe.getsockname()[0])
        kind = socket.SOCK_STREAM if self.protocol == "TCP" else socket.SOCK_DGRAM
        return Socket.open(kind, self.address, self.port)

    def begin(self) -> None:
        """Open those that stay; a TCP endpoint says who it is when it is asked, and hangs up."""
        for _ in range(_KEPT):
            client = self._open()
            self._stay.append((client, "" if self.protocol == "TCP" else client.ask()))

    def more(self) -> None:
        """A new connection; and those that stay are asked again, as far as they can be."""
        self.count += 1
        with self._failing(), contextlib.closing(self._open()) as client:
            client.ask()
        if self.protocol == "TCP":
            self._hesitate()
        else:
            self._check()

    def _hesitate(self) -> None:
        """A new connection whose client asks a second later; and those that have waited for it."""
        with self._failing():
            self._slow.append((time.monotonic() + _HESITATION, self._open()))
        while self._slow and self._slow[0][0] < time.monotonic():
            self._ask_slow()

    def _ask_slow(self) -> None:
        _, client = self._slow.popleft()
        with self._failing(), contextlib.closing(client):
            client.ask()

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.failed.append(f"{type(error).__name__} {error}")

    def end(self) -> None:
        """Ask those that stayed a last time, and whether anybody answers their datagrams."""
        while self._slow:
            self._ask_slow()
        self._check()
        if self.protocol == "UDP":
            self.served = all(_is_served(client) for client, _ in self._stay)

    def _check(self) -> None:
        for client, at in self._stay if self.kept else ():
            try:
                self.kept = client.ask() in {at, *(() if at else ("e1", "e2"))}
            except OSError:
                self.kept = False
            if not self.kept:
                return

    def told(self) -> str:
        """One line."""
        names = ("protocol", "address", "port", "count", "failed", "kept", "served")
        return json.dumps({name: getattr(self, name) for name in names})


def _is_served(client: Client) -> bool:
    with contextlib.suppress(OSError):
        client.ask()  # it may be told now that its last datagram met a closed port
    try:
        return bool(client.ask())
    except OSError:
        return False


def _frontends(address: str, words: list[str]) -> Iterator[Frontend]:
    for word in words:
        protocol, _, port = word.partition(":")
        yield Frontend(protocol, address, int(port))


def main() -> None:
    """Until there is something to read."""
    frontends = list(_frontends(sys.argv[1], sys.argv[2:]))
    for frontend in frontends:
        frontend.begin()
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], _PACE)[0]:
        for frontend in frontends:
            frontend.more()
    for frontend in frontends:
        frontend.end()
        print(frontend.told())


if __name__ == "__main__":
    main()
