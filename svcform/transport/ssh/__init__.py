"""SSH, by paramiko: the only place that imports it."""

from __future__ import annotations

from svcform.model.node import Connection
from svcform.transport.contract import Session
from svcform.transport.options import SshOptions
from svcform.transport.ssh.connect import connect
from svcform.transport.ssh.session import SshSession
from svcform.transport.target import resolve

__all__ = ["open_session"]


def open_session(connection: Connection, options: SshOptions) -> Session:
    """Log in to a node.

    Raises ``Unreachable``, ``HostKeyMismatch`` or ``AuthenticationFailed``; what ``sudo`` or
    ``doas`` have to say comes with the first exec.
    """
    target = resolve(connection, options)
    return SshSession(connect(target, options.node), connection, target)
