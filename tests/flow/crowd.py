"""Many open connections at once: a process that serves, and one that keeps them all talking.

``python -m tests.flow.crowd`` reads one line of JSON and becomes one or the other.  Both are
processes of their own: what the test does meanwhile must not hold them up, and the limit of open
files (often 20,000, which not even root may raise) is for each.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import os
import random
import resource
import select
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import IO, Any

from svcform.lab import kernel

_PATIENCE = 5.0
_ROUNDS = 20
_PACE = 0.02
#: ``tcpi_total_retrans`` of ``struct tcp_info`` (``<linux/tcp.h>``): eight bytes and 23 words on.
_RETRANSMITTED = 100
_EVENTS = select.EPOLLIN | select.EPOLLRDHUP


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where connections go, and from where: ``place`` is the path of a network namespace."""

    name: str
    place: str
    address: str
    port: int
    udp: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the talkers have to tell: their troubles, and how much they did since the start."""

    failures: tuple[str, ...]
    exchanges: int
    opened: int
    retransmitted: int


class Servers:
    """Echo on a TCP and a UDP port, in namespaces by name; UDP answers begin with that name."""

    def __init__(self, places: dict[str, str], port: int) -> None:
        self._process = _start({"role": "serve", "places": places, "port": port})
        _answer(self._process)

    def end(self) -> None:
        _end(self._process)


class Talkers:
    """``count`` TCP connections to some targets stay open, and new ones come and go meanwhile.

    Each UDP target has one socket that stays.
    """

    def __init__(self, targets: Sequence[Target], count: int, seed: int) -> None:
        given = {"role": "talk", "targets": [asdict(t) for t in targets], "count": count}
        self._process = _start({**given, "seed": seed})

    def ready(self) -> Said:
        """Wait until all connections are open and have carried data both ways."""
        return _said(self._process)

    def round(self, *, everybody: bool = False) -> Said:
        """Have a twentieth of the connections, or all, send and be answered now."""
        self.ask(everybody=everybody)
        return _said(self._process)

    def ask(self, *, everybody: bool = False) -> None:
        """Begin a round; :meth:`ready` waits for its end."""
        stdin = self._process.stdin
        assert stdin is not None
        stdin.write(b"all\n" if everybody else b"some\n")
        stdin.flush()

    def end(self) -> None:
        _end(self._process)


def _start(given: dict[str, Any]) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.flow.crowd"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p or "." for p in sys.path)},
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(given).encode() + b"\n")
    process.stdin.flush()
    return process


def _answer(process: subprocess.Popen[bytes]) -> Any:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, "the crowd died"
    return json.loads(line)


def _said(process: subprocess.Popen[bytes]) -> Said:
    raw = _answer(process)
    return Said(**{**raw, "failures": tuple(raw["failures"])})


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(BrokenPipeError):
                stream.close()


# ---- the processes


@contextlib.contextmanager
def _inside(place: str) -> Iterator[None]:
    network = os.open(place, os.O_RDONLY)
    try:
        with kernel.inside(network):
            yield
    finally:
        os.close(network)


def _tell(value: Any) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def _listen(place: str, port: int) -> Iterator[socket.socket]:
    with _inside(place):
        for family, any_address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                made = socket.socket(family, kind | socket.SOCK_NONBLOCK)
                if family == socket.AF_INET6:
                    made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                made.bind((any_address, port))
                if kind == socket.SOCK_STREAM:
                    made.listen(4096)
                yield made


def serve(places: dict[str, str], port: int) -> None:
    """Echo until killed."""
    poll = select.epoll()
    listeners = {s.fileno(): (s, name) for name, at in places.items() for s in _listen(at, port)}
    open_now: dict[int, socket.socket] = {}
    for descriptor in listeners:
        poll.register(descriptor, select.EPOLLIN)
    _tell("listening")
    while True:
        for descriptor, _ in poll.poll():
            if descriptor in open_now:
                _echo(poll, open_now, descriptor)
            else:
                _greet(poll, open_now, *listeners[descriptor])


def _echo(poll: select.epoll, open_now: dict[int, socket.socket], descriptor: int) -> None:
    try:
        data = open_now[descriptor].recv(256)
        if data:
            open_now[descriptor].send(data)
            return
    except OSError:
        pass  # the talker's end knows, and tells
    poll.unregister(descriptor)
    open_now.pop(descriptor).close()


def _greet(
    poll: select.epoll, open_now: dict[int, socket.socket], listener: socket.socket, name: str
) -> None:
    with contextlib.suppress(BlockingIOError):
        while True:
            if listener.type & socket.SOCK_DGRAM == socket.SOCK_DGRAM:
                data, sender = listener.recvfrom(256)
                listener.sendto(name.encode() + b" " + data, sender)
            else:
                made, _ = listener.accept()
                made.setblocking(False)
                open_now[made.fileno()] = made
                poll.register(made.fileno(), select.EPOLLIN)


@dataclass(slots=True)
class _Connection:
    """One end of a connection; ``guest`` is one that goes after its first answer."""

    socket: socket.socket
    target: Target
    guest: bool
    sent: bytes = b""
    answerer: bytes = b""
    since: float = 0.0


@dataclass(slots=True)
class _Talk:
    """All connections of a talker, by file descriptor."""

    targets: list[Target]
    chance: random.Random
    poll: select.epoll = field(default_factory=select.epoll)
    open: dict[int, _Connection] = field(default_factory=dict)
    pending: dict[int, _Connection] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    exchanges: int = 0
    opened: int = 0
    retransmitted: int = 0
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _places: dict[str, int] = field(default_factory=dict)

    def connect(self, target: Target, *, guest: bool) -> None:
        """Open a connection; its first datum goes as soon as it is there."""
        kind = socket.SOCK_DGRAM if target.udp else socket.SOCK_STREAM
        family = socket.AF_INET6 if ":" in target.address else socket.AF_INET
        with kernel.inside(self._place(target)):
            made = socket.socket(family, kind | socket.SOCK_NONBLOCK)
            code = made.connect_ex((target.address, target.port))
        connection = _Connection(made, target, guest, since=time.monotonic())
        if code not in {0, errno.EINPROGRESS}:
            self._fail(connection, os.strerror(code))
            return
        self.open[made.fileno()] = self.pending[made.fileno()] = connection
        self.poll.register(made.fileno(), select.EPOLLOUT)

    def _place(self, target: Target) -> int:
        if target.place not in self._places:
            self._places[target.place] = os.open(target.place, os.O_RDONLY)
        return self._places[target.place]

    def send(self, connection: _Connection) -> None:
        """Send something that was never sent before, unless an answer is still to come."""
        descriptor = connection.socket.fileno()
        if descriptor in self.pending:
            return
        connection.sent = b"%d" % next(self._numbers)
        connection.since = time.monotonic()
        self.pending[descriptor] = connection
        try:
            connection.socket.send(connection.sent)
        except OSError as error:
            self._fail(connection, str(error))

    def step(self, wait: float) -> None:
        """Look what arrived, and who has waited for too long."""
        for descriptor, events in self.poll.poll(wait):
            connection = self.open.get(descriptor)
            if connection is not None:
                self._look(connection, events)
        now = time.monotonic()
        # Insertion is in order of time, so that the first ones have waited longest.
        while self.pending:
            connection = next(iter(self.pending.values()))
            if now - connection.since < _PATIENCE:
                break
            self._fail(connection, f"no answer for {_PATIENCE:.0f} s")

    def _look(self, connection: _Connection, events: int) -> None:
        error = connection.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            self._fail(connection, os.strerror(error))
        elif events & select.EPOLLOUT:
            self.poll.modify(connection.socket.fileno(), _EVENTS)
            del self.pending[connection.socket.fileno()]
            self.send(connection)
        else:
            self._receive(connection)

    def _receive(self, connection: _Connection) -> None:
        try:
            data = connection.socket.recv(256)
        except OSError as error:
            self._fail(connection, str(error))
            return
        answerer, _, data = data.rpartition(b" ")
        if data != connection.sent or self.pending.pop(connection.socket.fileno(), None) is None:
            self._fail(connection, f"{data!r} instead of {connection.sent!r}")
        elif connection.answerer not in {b"", answerer}:
            self._fail(connection, f"{answerer.decode()} and not {connection.answerer.decode()}")
        else:
            connection.answerer = answerer
            self.exchanges += 1
            if connection.guest:
                self.opened += 1
                self._close(connection)

    def _fail(self, connection: _Connection, why: str) -> None:
        kind = "new" if connection.guest else "open"
        self.failures.append(f"{connection.target.name} ({kind}): {why}")
        self._close(connection)

    def _close(self, connection: _Connection) -> None:
        self.count_retransmissions(connection)
        self.open.pop(connection.socket.fileno(), None)
        self.pending.pop(connection.socket.fileno(), None)
        connection.socket.close()

    def count_retransmissions(self, connection: _Connection) -> None:
        """A segment that was sent twice is one that somebody dropped."""
        if not connection.target.udp:
            info = connection.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)
            self.retransmitted += struct.unpack_from("I", info, _RETRANSMITTED)[0]

    def settle(self) -> None:
        """Wait until nobody waits for an answer."""
        while self.pending:
            self.step(0.05)

    def tell(self) -> None:
        """Say it all to whoever started this."""
        said = Said(
            failures=tuple(self.failures[:20]),
            exchanges=self.exchanges,
            opened=self.opened,
            retransmitted=self.retransmitted,
        )
        _tell(asdict(said))


def talk(targets: list[Target], count: int, seed: int) -> None:
    """Open the connections, then chatter, and do a round whenever told."""
    talk = _Talk(targets, random.Random(seed))
    streams = [target for target in targets if not target.udp]
    wanted = [streams[number % len(streams)] for number in range(count)]
    for number, target in enumerate([*wanted, *(t for t in targets if t.udp)]):
        talk.connect(target, guest=False)
        if number % 200 == 0:
            talk.settle()
    talk.settle()
    regulars = list(talk.open.values())
    # conntrack forgets a UDP socket that was silent for 30 seconds.
    datagrams = [connection for connection in regulars if connection.target.udp]
    talk.tell()
    rounds = itertools.count()
    for command in _commands(talk, regulars):
        chosen = regulars if command == "all" else regulars[next(rounds) % _ROUNDS :: _ROUNDS]
        for number, connection in enumerate([*datagrams, *chosen]):
            if connection.socket.fileno() >= 0:
                talk.send(connection)
            if number % 200 == 0:
                talk.settle()
        talk.settle()
        if command == "all":
            for connection in talk.open.values():
                talk.count_retransmissions(connection)
        talk.tell()


def _commands(talk: _Talk, regulars: list[_Connection]) -> Iterator[str]:
    """Chatter until a command arrives."""
    stdin: IO[str] = sys.stdin
    while True:
        ready, _, _ = select.select([stdin], [], [], 0)
        if ready:
            command = stdin.readline().strip()
            if not command:
                return
            yield command
        began = time.monotonic()
        talk.connect(talk.chance.choice(talk.targets), guest=True)
        for connection in talk.chance.sample(regulars, 5):
            if connection.socket.fileno() >= 0:
                talk.send(connection)
        while (left := began + _PACE - time.monotonic()) > 0:
            talk.step(left)


def main() -> None:
    """Read what to be, and be it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    given = json.loads(sys.stdin.readline())
    if given["role"] == "serve":
        serve(given["places"], given["port"])
    else:
        talk([Target(**each) for each in given["targets"]], given["count"], given["seed"])


if __name__ == "__main__":
    main()
