"""The machine itself, and lab nodes: a process here instead of a connection."""

from __future__ import annotations

import os
import secrets
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from svcform.errors import BecomeFailed, Unreachable
from svcform.model.node import Connection
from svcform.transport.contract import Binding, ExecResult, Installed, Listener, Session
from svcform.transport.conversation import Conversation
from svcform.transport.framing import frame, needs_terminal

_CHUNK = 1024 * 1024


def open_session(connection: Connection) -> Session:
    """A session on this machine (``local``), or in a lab node's namespaces (``svcform_lab``).

    Raises ``Unreachable`` for a lab node that isn't up, ``BecomeFailed`` for a become method that
    can't be used here.
    """
    if connection.kind == "svcform_lab":
        return LocalSession(connection, _enter(connection))
    if os.geteuid() == 0 and connection.become_user == "root":
        # root has nothing to become, and a minimal machine has no sudo
        connection = replace(connection, become=False)
    if needs_terminal(connection):
        raise BecomeFailed(
            f"{connection.become_method} asks for its password on a terminal only.",
            remedy="For the local connection use sudo, or let it run without a password.",
        )
    return LocalSession(connection, ())


def _enter(connection: Connection) -> tuple[str, ...]:
    """The prefix that enters a lab node: its user namespace only where it isn't our own."""
    namespaces = Path("/proc") / str(connection.lab_pid) / "ns"
    try:
        other_user = (namespaces / "user").readlink() != Path("/proc/self/ns/user").readlink()
    except OSError:
        raise Unreachable(
            f"The lab node {connection.host} has no process {connection.lab_pid} on this machine.",
            remedy="Start the lab again: svcform lab up",
        ) from None
    user = ("--user", "--preserve-credentials") if other_user else ()
    target = ("--target", str(connection.lab_pid))
    # The root, too: a lab that is made in a chroot has another than its mount namespace.
    machine = ("--net", "--mount", "--uts", "--ipc", "--pid", "--root", "--wd", "--")
    return ("nsenter", *target, *user, *machine)


class LocalSession:
    """Execs by subprocess (:class:`svcform.transport.contract.Session`)."""

    def __init__(self, connection: Connection, prefix: tuple[str, ...]) -> None:
        self._connection = replace(connection, become=False) if prefix else connection
        self._prefix = prefix

    @property
    def binding(self) -> Binding:
        """Where this session leads: there is no port and no host key."""
        return Binding(address=self._connection.host, port=0)

    def exec(
        self,
        script: str | Installed,
        *,
        stdin: bytes = b"",
        timeout: float = 120.0,
        listener: Listener | None = None,
    ) -> ExecResult:
        """Run a script by ``sh``, as root where the node's connection says become.

        After ``timeout`` seconds the script and all it started are killed.  Raises ``Unreachable``
        then, ``BecomeFailed``, and what the listener raises.
        """
        framed = frame(script, stdin, self._connection, secrets.token_hex(8))
        conversation = Conversation(framed, self._connection, self._connection.host, listener)
        argv = (*self._prefix, "/bin/sh", "-c", framed.command)
        try:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise Unreachable(f"{argv[0]} can't be run here: {error.strerror}.") from None
        try:
            return _converse(process, conversation, time.monotonic() + timeout)
        except TimeoutError:
            if late := conversation.late():
                raise late from None
            raise Unreachable(
                f"A command on {self._connection.host} was not done after {timeout:g} seconds.",
                remedy="Look at the machine's load, or give it more time.",
            ) from None
        finally:
            _end(process)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing stays open between execs."""


def _converse(
    process: subprocess.Popen[bytes], conversation: Conversation, deadline: float
) -> ExecResult:
    pipes = _Pipes(process, conversation.patience(deadline))
    pipes.send(*conversation.opening())
    for stdout, stderr in pipes:
        pipes.send(*conversation.hear(stdout, stderr))
        pipes.deadline = conversation.patience(deadline)
    try:
        code = process.wait(max(deadline - time.monotonic(), 0.01))
    except subprocess.TimeoutExpired:
        raise TimeoutError from None
    return conversation.result(code)


def _opened(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes], IO[bytes]]:
    pipes = process.stdin, process.stdout, process.stderr
    if pipes[0] is None or pipes[1] is None or pipes[2] is None:
        raise ValueError("the process was started without its three pipes")
    return pipes[0], pipes[1], pipes[2]


class _Pipes:
    """The three pipes of a process, served together so that none blocks another."""

    def __init__(self, process: subprocess.Popen[bytes], deadline: float) -> None:
        self._stdin, self._stdout, self._stderr = _opened(process)
        self.deadline = deadline
        self._outgoing = memoryview(b"")
        self._last = False
        self._selector = selectors.DefaultSelector()
        os.set_blocking(self._stdin.fileno(), False)
        for pipe in (self._stdout, self._stderr):
            self._selector.register(pipe, selectors.EVENT_READ)

    def send(self, data: bytes, last: bool) -> None:  # noqa: FBT001 - takes what a conversation says
        """Write as the process reads; after the last bytes its input is closed."""
        if not data and not last:
            return
        if not self._outgoing:
            self._selector.register(self._stdin, selectors.EVENT_WRITE)
        self._outgoing = memoryview(bytes(self._outgoing) + data)
        self._last = last

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        open_pipes = 2
        with self._selector:
            while open_pipes:
                left = self.deadline - time.monotonic()
                events = self._selector.select(left) if left > 0 else []
                if not events:
                    raise TimeoutError
                for key, _ in events:
                    if key.fileobj is self._stdin:
                        self._write()
                        continue
                    data = os.read(key.fd, _CHUNK)
                    if not data:
                        self._selector.unregister(key.fileobj)
                        open_pipes -= 1
                    elif key.fileobj is self._stdout:
                        yield data, b""
                    else:
                        yield b"", data

    def _write(self) -> None:
        try:
            written = os.write(self._stdin.fileno(), self._outgoing[:_CHUNK])
            self._outgoing = self._outgoing[written:]
        except BrokenPipeError:
            # a script that ends without reading its input is no failure
            self._outgoing, self._last = memoryview(b""), True
        if not self._outgoing:
            self._selector.unregister(self._stdin)
            if self._last:
                self._stdin.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill what is still running of the process' group, and reap it."""
    if process.poll() is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=5)
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()
