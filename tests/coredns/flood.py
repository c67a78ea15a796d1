"""Ask name servers thousands of questions a second until standard input ends; count the answers.

    python flood.py PORT SERVER... <names, one a line, then an empty line; later the end>

Prints JSON: the number of questions asked in how many seconds, and for each name its different
answers, ``RCODE ADDRESS...`` or ``no answer``, with how often and when first and last.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import sys
import threading
import time
from collections.abc import Sequence

_WINDOW = 16
#: Seconds after which there is no answer.
_PATIENCE = 2.0
#: Between two windows: a thousand questions a second, and not all of a small machine.
_PAUSE = 0.015
Seen = dict[str, dict[str, list[float]]]


def question(number: int, name: str) -> bytes:
    """A query for A."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label)
    return struct.pack("!6H", number, 0, 1, 0, 0, 0) + labels + b"\0\0\1\0\1"


def understand(wire: bytes) -> str:
    """The rcode and the sorted addresses of an answer; the rcode alone for one cut short."""
    _, flags, _, answers, _, _ = struct.unpack("!6H", wire[:12])
    position = 12
    while wire[position]:
        position += wire[position] + 1
    position += 5
    found = []
    for _ in range(answers):
        while wire[position] and wire[position] < 192:
            position += wire[position] + 1
        position += 2 if wire[position] else 1
        kind, _, _, length = struct.unpack("!HHIH", wire[position : position + 10])
        position += 10
        if kind == 1:
            found.append(socket.inet_ntoa(wire[position : position + length]))
        position += length
    return " ".join([str(flags & 15 | (flags & 0x200)), *sorted(found)])


class Flood:
    """What was asked and seen."""

    def __init__(self, servers: Sequence[str], port: int, names: Sequence[str]) -> None:
        self.servers, self.port, self.names = servers, port, names
        self.seen: Seen = {name: {} for name in names}
        self.asked = 0
        self.over = threading.Event()

    def note(self, name: str, answer: str) -> None:
        """Count an answer."""
        found = self.seen[name].setdefault(answer, [0, time.time(), 0])
        found[0] += 1
        found[2] = time.time()
        self.asked += 1

    def over_udp(self) -> None:
        """A window of questions after the other, to the servers in turn."""
        sockets = []
        for server in self.servers:
            made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            made.connect((server, self.port))
            sockets.append(made)
        number = 0
        while not self.over.is_set():
            waiting = {}
            for _ in range(_WINDOW):
                number = (number + 1) % 65536
                name = self.names[number % len(self.names)]
                waiting[number] = name
                sockets[number // len(self.names) % len(sockets)].send(question(number, name))
            deadline = time.monotonic() + _PATIENCE
            while waiting and (left := deadline - time.monotonic()) > 0:
                for ready in select.select(sockets, [], [], left)[0]:
                    wire = ready.recv(4096)
                    name = waiting.pop(struct.unpack("!H", wire[:2])[0], "")
                    if name:
                        self.note(name, understand(wire))
            for name in waiting.values():
                self.note(name, "no answer")
            time.sleep(_PAUSE)

    def over_tcp(self) -> None:
        """One connection after the other, with all questions on it."""
        while not self.over.is_set():
            for server in self.servers:
                try:
                    self._connection(server)
                except OSError as error:
                    self.note(self.names[0], f"no answer over TCP: {error}")
            time.sleep(0.05)

    def _connection(self, server: str) -> None:
        with socket.create_connection((server, self.port), timeout=_PATIENCE) as made:
            stream = made.makefile("rwb")
            for number, name in enumerate(self.names):
                wire = question(number, name)
                stream.write(struct.pack("!H", len(wire)) + wire)
            stream.flush()
            # Answers may come in any order (RFC 7766 section 6.2.1.1).
            for _ in self.names:
                (length,) = struct.unpack("!H", stream.read(2))
                wire = stream.read(length)
                self.note(self.names[struct.unpack("!H", wire[:2])[0]], understand(wire))


def main() -> None:
    """Flood, and print what came of it."""
    port, *servers = sys.argv[1:]
    names = []
    for line in sys.stdin:
        if not line.strip():
            break
        names.append(line.strip())
    flood = Flood(servers, int(port), names)
    started = time.time()
    asking = [threading.Thread(target=how) for how in (flood.over_udp, flood.over_tcp)]
    for thread in asking:
        thread.start()
    sys.stdin.read()
    flood.over.set()
    for thread in asking:
        thread.join()
    json.dump(
        {"asked": flood.asked, "seconds": time.time() - started, "seen": flood.seen}, sys.stdout
    )


if __name__ == "__main__":
    main()
