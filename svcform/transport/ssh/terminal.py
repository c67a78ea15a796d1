"""Becoming root where the password is read from a terminal only (doas, sudo's requiretty).

Two channels: one with a terminal, where the password is asked and answered; one without, whose
streams are joined to the script's by FIFOs, so that bytes stay bytes and stderr stays apart.
"""

from __future__ import annotations

import re
import secrets
import threading
from contextlib import ExitStack

import paramiko

from svcform.errors import BecomeFailed
from svcform.model.node import Connection
from svcform.transport.contract import ExecResult, Installed, Listener
from svcform.transport.conversation import Conversation, Stream, wrong_password
from svcform.transport.framing import Framed, frame_fifos, frame_terminal
from svcform.transport.ssh.connect import LOST, Link
from svcform.transport.ssh.pump import Pump, exit_code, open_channel

_PROMPT = re.compile(rb"[^\s][^\n]*:\s*\Z")


class _Login(threading.Thread):
    """Answers the password prompt on a terminal."""

    def __init__(self, channel: paramiko.Channel, framed: Framed, deadline: float) -> None:
        super().__init__(daemon=True)
        self.ready = threading.Event()
        self.refused = False
        self._channel = channel
        self._framed = framed
        self._deadline = deadline

    def run(self) -> None:
        """Until the terminal closes, or the password is asked for again."""
        try:
            self._talk()
        except (*LOST, TimeoutError):
            self._channel.close()
        finally:
            self.ready.set()

    def _talk(self) -> None:
        heard = Stream(self._framed.markers)
        pump = Pump(self._channel, self._deadline)
        passwords = [self._framed.password] if self._framed.password is not None else []
        for stdout, _ in pump:
            heard.feed(stdout.replace(b"\r", b""))
            if not heard.began:
                continue
            self.ready.set()
            if not _PROMPT.search(heard.text):
                continue
            if not passwords:
                self.refused = True
                self._channel.close()
                return
            heard.text.clear()
            pump.send(passwords.pop(), last=False)


def exec_by_terminal(
    link: Link,
    connection: Connection,
    label: str,
    work: tuple[str | Installed, bytes],
    deadline: float,
    *,
    listener: Listener | None = None,
) -> ExecResult:
    """Run a script with its standard input as another user.

    Raises ``BecomeFailed``, ``TimeoutError``, and what a lost connection or the listener raises.
    """
    framed = frame_fifos(*work, secrets.token_hex(8))
    conversation = Conversation(framed, connection, label, listener)
    with ExitStack() as stack:
        streams = stack.enter_context(open_channel(link, deadline))
        streams.exec_command(framed.command)
        pump = Pump(streams, deadline)
        pump.send(framed.line, last=False)
        login: _Login | None = None
        terminal: paramiko.Channel | None = None
        for stdout, stderr in pump:
            conversation.hear(stdout, stderr)
            if terminal is None and (directory := _directory(conversation.stdout)):
                terminal = stack.enter_context(open_channel(link, deadline))
                become = frame_terminal(work[0], directory, connection, framed.nonce)
                login = _log_in(terminal, become, deadline)
                pump.send(b"go\n" + framed.payload, last=True)
        if login is None or terminal is None:
            return conversation.result(exit_code(link, streams, deadline))
        if login.refused:
            raise wrong_password(connection, label)
        return conversation.result(exit_code(link, terminal, deadline))


def _directory(stdout: Stream) -> str:
    """The FIFOs' directory, once its whole line is there."""
    line, newline, _ = bytes(stdout.text).partition(b"\n")
    if stdout.awaited != 1 or not newline:
        return ""
    return line.decode("utf-8", "surrogateescape")


def _log_in(terminal: paramiko.Channel, framed: Framed, deadline: float) -> _Login:
    try:
        terminal.get_pty()
        terminal.exec_command(framed.command)
    except paramiko.SSHException:
        raise BecomeFailed(
            "The node's sshd gives no terminal, and the become method asks for its password there.",
            remedy="Allow PermitTTY, or let the become method run without a password.",
        ) from None
    login = _Login(terminal, framed, deadline)
    login.start()
    login.ready.wait(timeout=30)
    return login
