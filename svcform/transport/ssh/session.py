"""Execs over a logged-in transport."""

from __future__ import annotations

import secrets
import time
from types import TracebackType
from typing import Self

import paramiko

from svcform.errors import BecomeFailed, Unreachable
from svcform.model.node import Connection
from svcform.transport.contract import Binding, ExecResult, Installed, Listener
from svcform.transport.conversation import Conversation
from svcform.transport.framing import Framed, frame, needs_terminal
from svcform.transport.ssh.connect import LOST, Link
from svcform.transport.ssh.pump import Pump, exit_code, open_channel
from svcform.transport.ssh.terminal import exec_by_terminal
from svcform.transport.target import Target


class SshSession:
    """An open connection to one node (:class:`svcform.transport.contract.Session`)."""

    def __init__(self, link: Link, connection: Connection, target: Target) -> None:
        self._link = link
        self._connection = connection
        self._target = target
        self._by_terminal = needs_terminal(connection)

    @property
    def binding(self) -> Binding:
        """Where this session leads."""
        target = self._target
        key = self._link.key.fingerprint
        return Binding(address=target.host, port=target.port, host_key=key)

    def exec(
        self,
        script: str | Installed,
        *,
        stdin: bytes = b"",
        timeout: float = 120.0,
        listener: Listener | None = None,
    ) -> ExecResult:
        """Run a script by the node's ``sh``, as root where the node's connection says become.

        Raises ``Unreachable`` on a lost connection or after ``timeout`` seconds, and
        ``BecomeFailed`` and what the listener raises.
        """
        deadline = time.monotonic() + timeout
        try:
            return self._exec(script, stdin, deadline, listener)
        except LOST as error:
            if isinstance(error, TimeoutError) or time.monotonic() >= deadline:
                raise Unreachable(
                    f"A command at {self._target.label} was not done after {timeout:g} seconds.",
                    remedy="Look at the node's load, or give it more time.",
                ) from None
            if isinstance(error, paramiko.ChannelException):
                raise Unreachable(
                    f"The sshd at {self._target.label} opens no session for a command.",
                    remedy="Becoming root on a terminal takes two at a time: see MaxSessions in "
                    "its sshd_config, and requiretty in sudoers.",
                ) from None
            raise Unreachable(
                f"The connection to {self._target.label} was lost:"
                f" {str(error).rstrip('.') or 'it closed'}."
            ) from None

    def _exec(
        self, script: str | Installed, stdin: bytes, deadline: float, listener: Listener | None
    ) -> ExecResult:
        if self._by_terminal:
            return self._exec_by_terminal(script, stdin, deadline, listener)
        framed = frame(script, stdin, self._connection, secrets.token_hex(8))
        try:
            return self._run(framed, deadline, listener)
        except BecomeFailed as error:
            if "tty" not in str(error) or self._connection.become_method != "sudo":
                raise
        # sudoers says requiretty
        return self._exec_by_terminal(script, stdin, deadline, listener)

    def _exec_by_terminal(
        self, script: str | Installed, stdin: bytes, deadline: float, listener: Listener | None
    ) -> ExecResult:
        label = self._target.label
        self._by_terminal = True
        work = (script, stdin)
        return exec_by_terminal(
            self._link, self._connection, label, work, deadline, listener=listener
        )

    def _run(self, framed: Framed, deadline: float, listener: Listener | None) -> ExecResult:
        conversation = Conversation(framed, self._connection, self._target.label, listener)
        with open_channel(self._link, deadline) as channel:
            channel.exec_command(framed.command)
            pump = Pump(channel, conversation.patience(deadline))
            pump.send(*conversation.opening())
            try:
                for stdout, stderr in pump:
                    pump.send(*conversation.hear(stdout, stderr))
                    pump.deadline = conversation.patience(deadline)
            except TimeoutError:
                if late := conversation.late():
                    raise late from None
                raise
            return conversation.result(exit_code(self._link, channel, deadline))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._link.close()
