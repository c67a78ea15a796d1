"""Both streams of a channel at once, while a thread writes.

Reading one stream to its end before the other deadlocks once the other's window is full
(paramiko issues 448 and 1778), and so does writing before reading.
"""

from __future__ import annotations

import contextlib
import queue
import select
import signal
import threading
import time
from collections.abc import Iterator

import paramiko

from svcform.transport.ssh.connect import LOST, Link

_CHUNK = 1024 * 1024
_PIECE = 128 * 1024
_SILENT_SECONDS = 10


class Pump:
    """Iterating gives pairs of what arrived on stdout and stderr, until both have ended.

    Raises ``TimeoutError`` at ``deadline`` (of ``time.monotonic``), which may be put off.
    """

    def __init__(self, channel: paramiko.Channel, deadline: float) -> None:
        self._channel = channel
        self.deadline = deadline
        self._outgoing: queue.SimpleQueue[tuple[bytes, bool]] = queue.SimpleQueue()
        self._writer: threading.Thread | None = None

    def send(self, data: bytes, last: bool) -> None:  # noqa: FBT001 - takes what a conversation says
        """Write in the background; after the last bytes the channel's input ends."""
        if not data and not last:
            return
        self._outgoing.put((data, last))
        if self._writer is None:
            self._writer = threading.Thread(target=self._write, daemon=True)
            self._writer.start()

    def _write(self) -> None:
        # a script that ends without reading its input is no failure
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            last = False
            while not last:
                data, last = self._outgoing.get()
                # paramiko's sendall copies all that is left for each packet
                for start in range(0, len(data), _PIECE):
                    self._channel.sendall(data[start : start + _PIECE])
            self._channel.shutdown_write()

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        channel = self._channel
        poll = select.poll()
        poll.register(channel.fileno(), select.POLLIN)
        try:
            while True:
                ended = channel.eof_received or channel.closed
                stdout = channel.recv(_CHUNK) if channel.recv_ready() else b""
                stderr = channel.recv_stderr(_CHUNK) if channel.recv_stderr_ready() else b""
                if stdout or stderr:
                    yield stdout, stderr
                elif ended:
                    return
                else:
                    poll.poll(remaining(self.deadline) * 1000)
                remaining(self.deadline)
        finally:
            self._outgoing.put((b"", True))


def remaining(deadline: float) -> float:
    """Seconds left.  Raises ``TimeoutError`` when there are none."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


@contextlib.contextmanager
def open_channel(link: Link, deadline: float) -> Iterator[paramiko.Channel]:
    """A channel for one command, closed at the deadline at the latest, or when the node is silent.

    paramiko waits for the answer to a request for ever, and a node whose sshd hangs gives none.
    """
    done = threading.Event()
    opened: list[paramiko.Channel] = []
    threading.Thread(target=_watch, args=(link, opened, deadline, done), daemon=True).start()
    try:
        channel = link.transport.open_session(timeout=remaining(deadline))
        opened.append(channel)
        yield channel
    except LOST:
        if link.went_silent:
            raise EOFError("nothing came from it for too long") from None
        raise
    finally:
        done.set()
        if opened:
            opened[0].close()


def _watch(
    link: Link, opened: list[paramiko.Channel], deadline: float, done: threading.Event
) -> None:
    # Counted, and not taken from a clock: this process may be stopped for a while (Ctrl-Z).
    silent, heard = 0, 0.0
    while not done.wait(min(1.0, max(deadline - time.monotonic(), 0.0))):
        silent = silent + 1 if heard == link.transport.heard else 0
        heard = link.transport.heard
        if silent >= _SILENT_SECONDS:
            link.give_up()
        if time.monotonic() >= deadline:
            for channel in opened:
                channel.close()
            return


def exit_code(link: Link, channel: paramiko.Channel, deadline: float) -> int:
    """The command's exit code, or the negative number of the signal that ended it.

    Raises ``EOFError`` where the connection was lost before there was one.
    """
    if not channel.status_event.wait(remaining(deadline)):
        raise TimeoutError
    if channel.exit_status >= 0:
        return channel.exit_status
    name = link.signal(channel)
    if not name:
        raise EOFError("it closed before the command had ended")
    number = getattr(signal, f"SIG{name}", signal.SIGKILL)
    return -int(number)
