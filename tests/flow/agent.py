"""The arena's hands and ears in a guest, at the other end of a connection that the node can't see.

``python -m tests.flow.agent ADDRESS PORT``, started in the network namespace of that connection;
everything else it does in that of init.  A message, either way, is its length, its kind and its
body.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import subprocess
import sys

from tests.flow import raw

HEAD = struct.Struct("!IB")
#: To the agent: send a packet; run a command; tell what was heard until all of the above was done.
SAY, RUN, SETTLE = 1, 2, 3
#: From the agent: a packet was heard; a command has ended; all that was asked for before is done.
HEARD, ENDED, SETTLED = 11, 12, 13
#: Before a command's streams: its exit code and the length of its standard output.
OUTCOME = struct.Struct("!iI")
_CLONE_NEWNET = 0x40000000


def message(kind: int, body: bytes = b"") -> bytes:
    return HEAD.pack(len(body), kind) + body


def command(argv: tuple[str, ...], given: bytes) -> bytes:
    """The body of a message to run a command."""
    words = "\0".join(argv).encode()
    return struct.pack("!I", len(words)) + words + given


def run(body: bytes) -> bytes:
    """Run a command; the body of the message that tells how it went."""
    (length,) = struct.unpack_from("!I", body)
    argv = body[4 : 4 + length].decode().split("\0")
    # Where the agent is may be out of sight: a checkout in /tmp.
    done = subprocess.run(argv, input=body[4 + length :], capture_output=True, check=False, cwd="/")
    return OUTCOME.pack(done.returncode, len(done.stdout)) + done.stdout + done.stderr


class Agent:
    """Serves one connection until it is closed."""

    def __init__(self, control: socket.socket) -> None:
        self.control = control
        self.ears = raw.open_ears()
        self.mouths = raw.open_mouths()
        self.received = bytearray()

    def serve(self) -> None:
        self.control.sendall(message(SETTLED))
        while True:
            data = self.control.recv(1 << 18)
            if not data:
                return
            self.received += data
            self.obey()

    def obey(self) -> None:
        """Do what has come as a whole."""
        start, received = 0, bytes(self.received)
        while start + HEAD.size <= len(received):
            length, kind = HEAD.unpack_from(received, start)
            end = start + HEAD.size + length
            if end > len(received):
                break
            self.do(kind, received[start + HEAD.size : end])
            start = end
        del self.received[:start]

    def do(self, kind: int, body: bytes) -> None:
        if kind == SAY:
            raw.say(self.mouths, body)
        elif kind == RUN:
            self.control.sendall(message(ENDED, run(body)))
        else:
            heard = [message(HEARD, packet) for ear in self.ears for packet in raw.hear(ear)]
            self.control.sendall(b"".join([*heard, message(SETTLED)]))


def main() -> None:
    address, port = sys.argv[1:]
    control = socket.create_connection((address, int(port)))
    own = os.open("/proc/1/ns/net", os.O_RDONLY)
    if ctypes.CDLL(None).setns(own, _CLONE_NEWNET) != 0:
        sys.exit("setns fails")
    Agent(control).serve()


if __name__ == "__main__":
    main()
