"""From a target to a logged-in transport: sockets, jump hosts, key exchange, host key."""

from __future__ import annotations

import contextlib
import logging
import random
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import paramiko
from paramiko.common import MSG_CHANNEL_REQUEST, cMSG_GLOBAL_REQUEST

from svcform.errors import NodeError, Unreachable
from svcform.transport import host_key
from svcform.transport.known_hosts import HostKey, KnownKeys, look_up
from svcform.transport.ssh.auth import log_in
from svcform.transport.target import Target

_WINDOW = 16 * 1024 * 1024
_PACKET = 64 * 1024
_PROBE_EVERY = 3
_UNACKNOWLEDGED_MS = 12_000
_ATTEMPTS = 4

# paramiko logs a traceback for each connection that fails; we say it in one sentence
logging.getLogger("paramiko").addHandler(logging.NullHandler())
logging.getLogger("paramiko").propagate = False

#: What a connection that broke looks like from above.
LOST = (OSError, EOFError, paramiko.SSHException)


# there is no public hook, and the stubs lack this one
_HANDLERS: dict[int, Callable[[paramiko.Channel, paramiko.Message], None]] = (
    paramiko.Transport._channel_handler_table  # type: ignore[attr-defined] # noqa: SLF001
)


class _Heard:
    """A socket that knows when something last came from it (of ``time.monotonic``)."""

    def __init__(self, sock: socket.socket | paramiko.Channel) -> None:
        self._sock = sock
        self.heard = time.monotonic()

    def recv(self, size: int) -> bytes:
        data = self._sock.recv(size)
        self.heard = time.monotonic()
        return data

    def __getattr__(self, name: str) -> object:
        return getattr(self._sock, name)


class _Transport(paramiko.Transport):
    """A transport that notices silence, and keeps what paramiko drops: ``exit-signal``.

    TCP alone notices a link that was cut only where the node itself is at its other end, and not a
    jump host, a ProxyCommand or a middlebox.
    """

    def __init__(self, sock: socket.socket | paramiko.Channel) -> None:
        self._own = _Heard(sock)
        # paramiko takes all that has a socket's methods; its stubs take sockets and channels only
        super().__init__(
            self._own,  # type: ignore[arg-type]
            default_window_size=_WINDOW,
            default_max_packet_size=_PACKET,
        )
        self.signals: dict[int, str] = {}
        self._channel_handler_table = {
            **_HANDLERS,
            MSG_CHANNEL_REQUEST: self._request,
        }

    def probe(self) -> None:
        """Ask from now on, while nothing is sent, for an answer that RFC 4254 (4) demands."""
        self.packetizer.set_keepalive(_PROBE_EVERY, self._ask)

    @property
    def heard(self) -> float:
        """When something last came (of ``time.monotonic``)."""
        return self._own.heard

    def _ask(self) -> None:
        message = paramiko.Message()
        message.add_byte(cMSG_GLOBAL_REQUEST)
        message.add_string("keepalive@openssh.com")
        message.add_boolean(True)  # noqa: FBT003 - an answer is wanted
        self._send_user_message(message)  # type: ignore[attr-defined] # the stubs lack it

    def _request(self, channel: paramiko.Channel, message: paramiko.Message) -> None:
        if message.get_text() == "exit-signal":
            message.get_boolean()
            self.signals[channel.get_id()] = message.get_text()
        message.rewind()
        # the channel's number, which paramiko's run() has already taken off
        message.get_int()
        _HANDLERS[MSG_CHANNEL_REQUEST](channel, message)


@dataclass(slots=True)
class Link:
    """A transport, with the links to jump hosts and the process that it goes through."""

    transport: _Transport
    key: HostKey
    through: tuple[Link, ...] = ()
    proxy: subprocess.Popen[bytes] | None = None
    went_silent: bool = False

    def give_up(self) -> None:
        """Close what went silent: whoever waits for it is woken."""
        self.went_silent = True
        self.transport.close()

    def signal(self, channel: paramiko.Channel) -> str:
        """The name of the signal that ended a channel's command, or empty."""
        return self.transport.signals.get(channel.get_id(), "")

    def close(self) -> None:
        """Close everything, the node's end first."""
        self.transport.close()
        end_proxy(self.proxy)
        for link in reversed(self.through):
            link.close()


def end_proxy(proxy: subprocess.Popen[bytes] | None) -> None:
    """Stop a ProxyCommand."""
    if proxy is not None:
        proxy.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            proxy.wait(timeout=2)


def connect(target: Target, node: str) -> Link:
    """Log in to the target, through its jump hosts, each with its own host key check.

    Raises ``Unreachable``, ``HostKeyMismatch`` or ``AuthenticationFailed``.
    """
    with jump_through(target) as jumps:
        link = _hop(target, jumps, node)
        # they stay open as long as the link does
        link.through = tuple(jumps)
        jumps.clear()
        return link


@contextlib.contextmanager
def jump_through(target: Target) -> Iterator[list[Link]]:
    """Log in to the target's jump hosts; those left in the list are closed at the end.

    Raises what :func:`connect` raises.
    """
    jumps: list[Link] = []
    try:
        for jump in target.jumps:
            jumps.append(_hop(jump, jumps, ""))
        yield jumps
    finally:
        for link in reversed(jumps):
            link.close()


def _hop(target: Target, through: Sequence[Link], node: str) -> Link:
    known = known_keys(target)
    link = shake_hands(target, through, host_key.algorithms(known.keys or known.portless))
    try:
        host_key.check(link.key, known, node)
        log_in(link.transport, target)
    except NodeError:
        link.close()
        raise
    except LOST as error:
        link.close()
        raise _lost(target, error) from None
    link.transport.probe()
    return link


def known_keys(target: Target) -> KnownKeys:
    """What the known_hosts files say of the target."""
    host, port = target.key_host
    return look_up(host, port, target.known_hosts)


def shake_hands(target: Target, through: Sequence[Link], algorithms: tuple[str, ...]) -> Link:
    """Exchange keys, without logging in.

    sshd drops new connections at random where many log in at once (``MaxStartups``), so that a
    connection that closes before the key exchange is tried again.  Raises ``Unreachable``.
    """
    deadline = time.monotonic() + target.timeout
    for pause in _pauses():
        proxy: subprocess.Popen[bytes] | None = None
        transport: _Transport | None = None
        try:
            sock, proxy = _socket(target, through)
            transport = _Transport(sock)
            transport.get_security_options().key_types = algorithms
            transport.start_client(timeout=max(deadline - time.monotonic(), 0.1))
            return Link(transport, _remote_key(transport, target), proxy=proxy)
        except LOST as error:
            if transport is not None:
                transport.close()
            end_proxy(proxy)
            if not _again(error) or time.monotonic() + pause > deadline:
                raise _lost(target, error) from None
            time.sleep(pause)
    raise _lost(target, EOFError())


def _pauses() -> Iterator[float]:
    for attempt in range(_ATTEMPTS):
        yield 0.3 * 2**attempt * (0.5 + random.random())  # noqa: S311 - spreads retries, no secret


def _again(error: BaseException) -> bool:
    if isinstance(error, (ConnectionRefusedError, TimeoutError, socket.gaierror)):
        return False
    return isinstance(error, (EOFError, ConnectionError)) or "banner" in str(error)


def _remote_key(transport: paramiko.Transport, target: Target) -> HostKey:
    if not transport.is_active():
        raise EOFError
    try:
        key = transport.get_remote_server_key()
    except paramiko.SSHException:
        raise TimeoutError(f"no key exchange within {target.timeout:g} s") from None
    return HostKey(key.get_name(), key.asbytes())


def _socket(
    target: Target, through: Sequence[Link]
) -> tuple[socket.socket | paramiko.Channel, subprocess.Popen[bytes] | None]:
    if through:
        channel = through[-1].transport.open_channel(
            "direct-tcpip", (target.host, target.port), ("127.0.0.1", 0), timeout=target.timeout
        )
        return channel, None
    if target.proxy_command:
        return _proxy(target.proxy_command)
    try:
        sock = socket.create_connection((target.host, target.port), timeout=target.timeout)
    except ValueError:
        # labels too long or empty, as Python's IDNA sees it
        raise OSError(f"{target.host!r} is no host name") from None
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        # what was sent and never acknowledged must not be delivered once we have gone on
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_MS)
    return sock, None


def _proxy(command: str) -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """Run the user's own ProxyCommand, as ssh does: by a shell, its stdin and stdout a socket."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            ["/bin/sh", "-c", f"exec {command}"],
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            start_new_session=True,
        )
    return ours, process


class NoSuchHostKey(Unreachable):
    """The node has no host key of the types that were asked for."""


def _lost(target: Target, error: BaseException) -> Unreachable:
    by = f" (through {', '.join(j.label for j in target.jumps)})" if target.jumps else ""
    where = f"{target.host} port {target.port}{by}"
    if isinstance(error, socket.gaierror):
        return Unreachable(
            f"The host name {target.host} can't be resolved: {error.strerror}.",
            remedy="Set ansible_host to an address, or mend the name.",
        )
    if isinstance(error, TimeoutError):
        return Unreachable(
            f"No SSH connection to {where} within {target.timeout:g} seconds.",
            remedy="Look whether the node is up and the port open; ansible_timeout waits longer.",
        )
    if isinstance(error, paramiko.ssh_exception.IncompatiblePeer):
        return NoSuchHostKey(
            f"The sshd at {where} and svcform have no algorithm in common: {error}.",
            remedy="Old sshds sign with SHA-1 only, which svcform doesn't accept: update sshd.",
        )
    if isinstance(error, paramiko.ChannelException):
        return Unreachable(f"The jump host could not connect to {where}: {error.text}.")
    reason = getattr(error, "strerror", None) or str(error) or "the connection was closed"
    return Unreachable(
        f"No SSH connection to {where}: {reason}.",
        remedy="Look whether sshd runs there and ansible_host and ansible_port are right.",
    )
