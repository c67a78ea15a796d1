"""What goes to and fro with a framed script, whatever carries it."""

from __future__ import annotations

import re
import time

from svcform.errors import BecomeFailed, NodeError, Unreachable
from svcform.model.node import Connection
from svcform.transport.contract import REMARK, ExecResult, Listener
from svcform.transport.framing import Framed

#: PAM modules that don't know sudo's ``-p`` ask in their own words.
_FOREIGN_PROMPT = re.compile(rb"(?i)passw[^\n]*: ?\Z")
_QUOTED = 400
_LOGIN_SECONDS = 60.0
_REMARK = re.compile(rb"^" + REMARK.encode() + rb"([^\n]*)\n", re.MULTILINE)


class Stream:
    """A stream whose own part begins after the last of some markers."""

    def __init__(self, markers: tuple[bytes, ...]) -> None:
        self.text = bytearray()
        self._awaited = list(markers)

    @property
    def began(self) -> bool:
        """Whether all markers were seen."""
        return not self._awaited

    @property
    def awaited(self) -> int:
        """How many markers are still to come."""
        return len(self._awaited)

    def feed(self, data: bytes) -> None:
        """Take what arrived."""
        self.text += data
        while self._awaited and (at := self.text.find(self._awaited[0])) >= 0:
            del self.text[: at + len(self._awaited.pop(0))]


class Conversation:
    """Says what to send when, and what the end of it means.

    A password is sent once, when it is asked for; what follows it waits until the other user's
    shell is there to read it, so that neither ends up in the other's place.
    """

    def __init__(
        self,
        framed: Framed,
        connection: Connection,
        label: str,
        listener: Listener | None = None,
    ) -> None:
        self.stdout = Stream(framed.markers)
        self.stderr = Stream(framed.markers)
        self._framed = framed
        self._connection = connection
        self._label = label
        self._listener = listener
        self._told = 0
        self._password_sent = False
        self._payload_sent = False
        self._begun = time.monotonic()

    def patience(self, deadline: float) -> float:
        """Until when to wait (of ``time.monotonic``): a login has less time than its script."""
        return deadline if self.stdout.began else min(deadline, self._begun + _LOGIN_SECONDS)

    def late(self) -> Unreachable | None:
        """What to raise where the time was over before the script began."""
        if self.stdout.began:
            return None
        method = self._connection.become_method if self._connection.become else ""
        return Unreachable(
            f"The login at {self._label} had not come to the script after "
            f"{time.monotonic() - self._begun:.0f} seconds{quote(bytes(self.stderr.text))}.",
            remedy="Look there what the login shell's start-up files, sshd's ForceCommand"
            f"{f' or {method}' if method else ''} wait for.",
        )

    def opening(self) -> tuple[bytes, bool]:
        """What to send first, and whether it is all."""
        if self._framed.password is None:
            self._payload_sent = True
            return self._framed.line + self._framed.payload, True
        return self._framed.line, False

    def hear(self, stdout: bytes, stderr: bytes) -> tuple[bytes, bool]:
        """What to send after these bytes arrived, and whether it is the last.

        Raises ``BecomeFailed`` where the password is asked for a second time, and what the
        listener raises.
        """
        if stdout:
            self.stdout.feed(stdout)
        if stderr:
            self.stderr.feed(stderr)
            self._tell()
        if self._payload_sent or not self._framed.prompt:
            return b"", False
        if self.stdout.began:
            self._payload_sent = True
            return self._framed.payload, True
        if self._asked():
            return self._password(), False
        return b"", False

    def _tell(self) -> None:
        if self._listener is None or not self.stderr.began:
            return
        end = self.stderr.text.rfind(b"\n") + 1
        lines = bytes(self.stderr.text[self._told : end])
        self._told = end
        for remark in _REMARK.findall(lines):
            self._listener(remark.decode("utf-8", "replace"))

    def _asked(self) -> bool:
        if self.stderr.awaited != 1:
            return False
        text = self.stderr.text
        at = text.find(self._framed.prompt)
        if at >= 0:
            del text[: at + len(self._framed.prompt)]
            return True
        found = _FOREIGN_PROMPT.search(text)
        if found:
            del text[: found.end()]
        return found is not None

    def _password(self) -> bytes:
        if self._password_sent or self._framed.password is None:
            raise wrong_password(self._connection, self._label)
        self._password_sent = True
        return self._framed.password

    def result(self, code: int) -> ExecResult:
        """What the script left.  Raises ``BecomeFailed`` where it never got to run."""
        if self.stdout.began:
            stderr = bytes(self.stderr.text)
            if self._listener is not None:
                stderr = _REMARK.sub(b"", stderr)
            return ExecResult(code=code, stdout=bytes(self.stdout.text), stderr=stderr)
        raise self._failure(code)

    def _failure(self, code: int) -> NodeError:
        said = quote(bytes(self.stderr.text) or bytes(self.stdout.text))
        if self.stdout.awaited == len(self._framed.markers):
            return Unreachable(
                f"The login shell at {self._label} ran no script (exit code {code}){said}.",
                remedy="The user needs a login shell that can run commands, and the node needs sh.",
            )
        return become_failure(self._connection, self._label, said)


def wrong_password(connection: Connection, label: str) -> BecomeFailed:
    """The become method didn't take the password."""
    return BecomeFailed(
        f"{connection.become_method} at {label} did not accept the become password.",
        remedy="Set ansible_become_password, or give the right one with -K.",
    )


def become_failure(connection: Connection, label: str, said: str) -> BecomeFailed:
    """The become method ended before the script began."""
    method = connection.become_method
    if connection.become_password is None:
        remedy = (
            f"Give the become password (-K), let {method} run without one,"
            " or set another ansible_become_method."
        )
    else:
        remedy = (
            f"Look whether the become password is right, and whether {method} is installed there"
            f" and allows {connection.become_user}."
        )
    return BecomeFailed(
        f"{method} at {label} did not let us become {connection.become_user}{said}.", remedy=remedy
    )


def quote(said: bytes) -> str:
    """The end of what was said, for a message: printable, on one line."""
    text = said.decode("utf-8", "replace").strip()
    text = "".join(c if c.isprintable() else " " for c in " / ".join(text.split("\n")))
    text = " ".join(text.split())[-_QUOTED:].rstrip(".")
    return f": {text}" if text else ""
