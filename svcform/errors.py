"""What can go wrong outside of svcform's own logic.

A mistake in what the user wrote is never an exception: it is a
:class:`~svcform.diagnostics.Diagnostic`, collected with all the others.  The outside world
failing is one of these::

    SvcformError
    ├── InputError            the input has errors (carries the diagnostics)
    ├── UsageError            the command line makes no sense
    ├── PlanFileError         a plan file is corrupt, truncated, foreign or tampered with
    ├── NodeError             something about one node; never stops the other nodes
    │   ├── Unreachable       no connection: refused, timed out, no route, name not found
    │   ├── HostKeyMismatch   the node's host key is unknown or not the pinned one
    │   ├── AuthenticationFailed
    │   ├── BecomeFailed      sudo or doas refused, or wants a password
    │   ├── ToolMissing       a tool of a backend is not on the node
    │   ├── ReadingFailed     a probe ran and failed, or its output can't be understood
    │   ├── OwnershipRefused  the node belongs to another project, or to a newer svcform
    │   ├── TargetImpossible  a Service that is not targeted can't be kept as it is
    │   ├── StalePlan         the node moved since the plan was made
    │   ├── LockHeld          somebody else is applying
    │   ├── Interrupted       Ctrl-C came before the node's turn
    │   └── ApplyFailed       a step failed, the read-back differs, or nobody confirmed
    └── LabError              the lab can't be built on this machine
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from svcform.diagnostics import Diagnostic


class SvcformError(Exception):
    """The root of the tree; its text is a full sentence fit for a user."""


class InputError(SvcformError):
    """The input has at least one error; ``diagnostics`` holds all findings."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        super().__init__(f"{len(diagnostics)} finding(s) in the input.")
        self.diagnostics = tuple(diagnostics)


class UsageError(SvcformError):
    """The command line makes no sense."""


class PlanFileError(SvcformError):
    """A plan file that must not be applied: corrupt, truncated, foreign, tampered with."""


class NodeError(SvcformError):
    """Something about one node.

    ``reason`` is the stable word of the JSON output; ``remedy`` says what to do, or is empty.
    """

    reason = "failed"

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy


class Unreachable(NodeError):
    """No connection: refused, timed out, no route, name not found."""

    reason = "unreachable"


class HostKeyMismatch(NodeError):
    """The node's host key is unknown, revoked, or not the pinned one."""

    reason = "host-key"


class AuthenticationFailed(NodeError):
    """The node answered, and took none of our credentials."""

    reason = "authentication"


class BecomeFailed(NodeError):
    """The become method refused, wants a password, or is not there."""

    reason = "become"


class ToolMissing(NodeError):
    """A tool that a backend needs is not on the node."""

    reason = "tool-missing"


class ReadingFailed(NodeError):
    """A probe ran and failed, or its output can't be understood."""

    reason = "reading-failed"


class OwnershipRefused(NodeError):
    """The node belongs to another project, or was written by a newer svcform."""

    reason = "ownership"


class TargetImpossible(NodeError):
    """A Service that is not targeted can't be kept as it is."""

    reason = "input"


class StalePlan(NodeError):
    """The node moved since the plan was made."""

    reason = "stale"


class LockHeld(NodeError):
    """Somebody else is applying to the node."""

    reason = "lock-held"


class Interrupted(NodeError):
    """Ctrl-C came before the node's turn; it was not touched."""

    reason = "interrupted"


class ApplyFailed(NodeError):
    """A step failed, the read-back differs, or nobody confirmed.

    ``changed`` is True where the node is *not* back in its state of before.
    """

    reason = "apply-failed"

    def __init__(self, message: str, *, remedy: str = "", changed: bool = False) -> None:
        super().__init__(message, remedy=remedy)
        self.changed = changed


class LabError(SvcformError):
    """The lab can't be built, or can't be taken down, on this machine."""
