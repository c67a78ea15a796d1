"""One way in for every kind of connection."""

from __future__ import annotations

from dataclasses import dataclass, replace

from svcform.errors import Unreachable
from svcform.model.node import Node
from svcform.transport import local
from svcform.transport.contract import Session
from svcform.transport.options import SshOptions


@dataclass(frozen=True, slots=True)
class Opener:
    """Opens sessions to nodes; every call is a connection of its own."""

    options: SshOptions

    def __call__(self, node: Node) -> Session:
        """Open a session.

        Raises ``Unreachable``, ``HostKeyMismatch``, ``AuthenticationFailed`` or ``BecomeFailed``.
        """
        match node.connection.kind:
            case "ssh" | "paramiko" | "paramiko_ssh" | "smart":
                from svcform.transport import ssh  # noqa: PLC0415 - paramiko takes 120 ms

                return ssh.open_session(node.connection, replace(self.options, node=node.name))
            case "local" | "svcform_lab":
                return local.open_session(node.connection)
        raise Unreachable(
            f"{node.name} has the connection {node.connection.kind!r}, which svcform doesn't have.",
            remedy="Set ansible_connection to ssh or local.",
        )
