"""What a transport is: one exec at a time, bytes in, bytes out.

Raises, from :mod:`svcform.errors`: ``Unreachable``, ``HostKeyMismatch``, ``AuthenticationFailed``,
``BecomeFailed``.  A command that ran and failed is no exception: its exit code is in the result.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecResult:
    """What a command left: exit code (negative: killed by that signal), both streams whole."""

    code: int
    stdout: bytes = field(repr=False, default=b"")
    stderr: bytes = field(repr=False, default=b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """What binds a plan to the machine as reached: where, and by which host key.

    ``host_key`` is ``ssh-ed25519 SHA256:…``, or empty for the local connection.
    """

    address: str
    port: int
    host_key: str = ""


#: The line that says that the other user's shell is there, between newlines, on both streams.
BECAME = "SVCFORM-BECAME"


#: How a line on a script's standard error begins that is for us, while the script still runs.
REMARK = "svcform-remark\t"

Listener = Callable[[str], None]
"""Told of a remark, without :data:`REMARK`, as it arrives; what it raises ends the exec."""


@dataclass(frozen=True, slots=True)
class Installed:
    """A script that lies on the node: the become method's whole command is ``sh PATH``.

    So a sudoers line can allow it and nothing else.  It begins with :data:`BECAME`.
    """

    path: str


class Session(Protocol):
    """An open connection to one node; use it as a context manager."""

    @property
    def binding(self) -> Binding:
        """Where this session leads."""
        ...

    def exec(
        self,
        script: str | Installed,
        *,
        stdin: bytes = b"",
        timeout: float = 120.0,
        listener: Listener | None = None,
    ) -> ExecResult:
        """Run a script by the node's ``sh``, as root where the node's connection says become.

        ``stdin`` is the script's standard input.  Both streams are drained together; ``listener``
        is told of the script's remarks meanwhile.
        Raises ``Unreachable`` on a lost connection or after ``timeout`` seconds.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
