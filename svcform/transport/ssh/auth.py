"""Who we are: keys of the agent and of files, then passwords, as ssh tries them."""

from __future__ import annotations

import base64
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import paramiko
from paramiko.agent import AgentSSH

from svcform.errors import AuthenticationFailed
from svcform.transport.target import Target

_AGENT_TIMEOUT = 60.0


@dataclass(slots=True)
class _Attempt:
    """A login in progress; ``notes`` say what was tried, or why it could not be."""

    transport: paramiko.Transport
    target: Target
    notes: list[str] = field(default_factory=list)
    allowed: tuple[str, ...] = ()

    def may(self, method: str) -> bool:
        return not self.allowed or method in self.allowed

    def key(self, key: paramiko.PKey, name: str) -> bool:
        """Offer a key; true once the node is satisfied."""
        if not self.may("publickey"):
            return False
        self.notes.append(name)
        try:
            remaining = self.transport.auth_publickey(self.target.user, key)
        except paramiko.BadAuthenticationType as error:
            self.allowed = tuple(error.allowed_types)
            return False
        except paramiko.AuthenticationException:
            return False
        return self._done(remaining)

    def password(self, password: str) -> bool:
        """Give the password, plainly or to a prompt."""
        target = self.target
        for method in ("password", "keyboard-interactive"):
            if not self.may(method):
                continue
            self.notes.append(f"the password ({method})")
            try:
                if method == "password":
                    done = self.transport.auth_password(target.user, password, fallback=False)
                else:
                    done = self.transport.auth_interactive(target.user, _Answers(password))
            except paramiko.BadAuthenticationType as error:
                self.allowed = tuple(error.allowed_types)
                continue
            except paramiko.AuthenticationException:
                continue
            if self._done(done):
                return True
        return False

    def _done(self, remaining: list[str]) -> bool:
        """The node may want more: ``AuthenticationMethods publickey,password``."""
        self.allowed = tuple(remaining)
        return self.transport.is_authenticated()


class _Answers:
    """Answers each hidden prompt with the password, once."""

    def __init__(self, password: str) -> None:
        self._left = [password]

    def __call__(
        self, _title: str, _instructions: str, prompts: list[tuple[str, bool]]
    ) -> list[str]:
        return [self._left.pop() if self._left and not echo else "" for _, echo in prompts]


def log_in(transport: paramiko.Transport, target: Target) -> None:
    """Log in by the first thing that works.

    Raises ``AuthenticationFailed`` with the list of what was tried.
    """
    attempt = _Attempt(transport, target)
    try:
        if _by_keys(attempt) or _by_password(attempt):
            return
    except (EOFError, paramiko.SSHException) as error:
        if transport.is_active():
            raise
        attempt.notes.append(f"then the node hung up ({error or 'too many tries?'})")
    tried = ", ".join(attempt.notes) or "nothing: there is no key, no agent and no password"
    takes = f" It takes {', '.join(attempt.allowed)}." if attempt.allowed else ""
    raise AuthenticationFailed(
        f"{target.label} did not let us in. Tried: {tried}.{takes}",
        remedy="Set ansible_user and ansible_ssh_private_key_file, load the key into ssh-agent,"
        " or give the password with -k.",
    )


def _by_password(attempt: _Attempt) -> bool:
    password = attempt.target.password
    return password is not None and attempt.password(password)


def _by_keys(attempt: _Attempt) -> bool:
    """As ssh: keys of the agent that are named first, then its others, then the files."""
    target = attempt.target
    with _agent_keys(target.agent) as keys:
        named = {blob for path in target.identity_files if (blob := _public_blob(path))}
        held = sorted(keys, key=lambda key: key.asbytes() not in named)
        for key in held:
            wanted = not target.identities_only or key.asbytes() in named
            if wanted and attempt.key(key, f"{key.comment or key.get_name()} of the agent"):
                return True
        blobs = {key.asbytes() for key in held}
        return any(
            attempt.key(key, str(path))
            for path in target.identity_files
            if _public_blob(path) not in blobs
            for key in _load(path, attempt)
        )


def _load(path: Path, attempt: _Attempt) -> Iterator[paramiko.PKey]:
    """The key of a file, with its certificate where there is one (``-cert.pub``)."""
    try:
        yield paramiko.PKey.from_path(path)
    except FileNotFoundError:
        if attempt.target.named:
            attempt.notes.append(f"{path} (does not exist)")
    except (paramiko.PasswordRequiredException, TypeError):
        # cryptography says TypeError for an encrypted key without a passphrase
        attempt.notes.append(f"{path} (is encrypted: load it into ssh-agent with ssh-add)")
    except OSError as error:
        attempt.notes.append(f"{path} ({error.strerror})")
    except (paramiko.SSHException, paramiko.pkey.UnknownKeyType, ValueError):
        attempt.notes.append(f"{path} (is no private key that can be read)")


def _public_blob(path: Path) -> bytes:
    """The public half, which lies beside the private one; empty where it doesn't."""
    name = path if path.suffix == ".pub" else path.with_name(path.name + ".pub")
    try:
        return base64.b64decode(name.read_bytes().split()[1])
    except (OSError, ValueError, IndexError):
        return b""


@contextmanager
def _agent_keys(path: str) -> Iterator[list[paramiko.AgentKey]]:
    if not path:
        yield []
        return
    agent = _Agent()
    try:
        yield agent.open(path)
    finally:
        agent.close()


class _Agent(AgentSSH):
    """An agent at a socket of our choice: paramiko's own reads the environment only."""

    def open(self, path: str) -> list[paramiko.AgentKey]:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(_AGENT_TIMEOUT)
        try:
            sock.connect(path)
            self._connect(sock)  # type: ignore[attr-defined] # the stubs lack it
        except (OSError, paramiko.SSHException):
            sock.close()
            return []
        return list(self.get_keys())

    def close(self) -> None:
        self._close()  # type: ignore[attr-defined] # the stubs lack it
