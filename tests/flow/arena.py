"""An arena: a node under test, and a world around it that sends as anybody and sees all.

The world is a network namespace behind the node's only link.  Its packets are made and read by
hand, so any address can be a pod, a client, or a place that nobody answers from, and dropped
packets cost no time-outs: whatever has not shown up when everything sent later has, was dropped.
Whoever gets a first packet answers it, and the answer has to find its way back.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import select
import socket
import struct
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from svcform.model.net import Protocol
from tests.flow import guest_node, namespace_node, packets, raw, streams
from tests.flow.node import GATEWAY, MASQUERADE, NODE_MAC, WORLD_MAC, Node
from tests.flow.packets import Packet
from tests.flow.streams import Turn

_BATCH = 400
_PORTS = 64000
#: Where the world's own last packet of a batch goes: forwarded by any node, no Service's address.
_MARKERS = (("198.18.0.1", "198.18.0.2"), ("2001:db8:ffff::1", "2001:db8:ffff::2"))
#: Prints what shows that a program has something to do: a datagram that waits, or that it runs.
_BUSY = """
awk '$4 == "07" && $5 !~ /:0*$/' /proc/net/udp /proc/net/udp6
cat /proc/[0-9]*/stat 2>/dev/null | grep -vE '\\((sh|cat|grep|nsenter)\\) |\\) [SZXI]'
"""


@dataclass(frozen=True, slots=True)
class Flow:
    """A new connection to try; with a ``source_port`` one that may be known already.

    ``goes_on``: it was begun from that port before, and this is a later packet of it (TCP).
    """

    source: str
    destination: str
    port: int
    protocol: Protocol = Protocol.TCP
    source_port: int | None = None
    goes_on: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """What became of a flow's first packet.

    ``verdict`` is ``delivered``, ``REJECT``, ``DROP`` or ``ICMP type/code``.  Where delivered:
    the address, port and source with which it arrived, and whether the answer came back from
    where the flow had been sent to; ``came`` is how it came, if it did.
    """

    verdict: str
    address: str = ""
    port: int = 0
    source: str = ""
    answered: bool = False
    came: str = field(default="", compare=False)


@dataclass(slots=True)
class Arena:
    """A booted node, and the socket on the world's end of its link.

    ``terminates``: programs on the node take connections and make them anew, so that packets may
    be on their way that wait for nothing but such a program.
    """

    node: Node
    link: socket.socket
    addresses: tuple[str, ...] = ()
    local: frozenset[str] = frozenset()
    terminates: bool = False
    _tokens: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _since_flush: int = 0

    @property
    def disk(self) -> Path:
        """Where the node's /etc and /var are, as seen from here."""
        return self.node.disk

    def exec(self, *argv: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run a command on the node, both streams captured."""
        return self.node.exec(*argv, given=given)

    def run(self, *argv: str, given: bytes = b"") -> str:
        """Run a command on the node that has to succeed; its standard output as text."""
        done = self.exec(*argv, given=given)
        assert done.returncode == 0, f"{argv[:3]}: {done.stderr.decode()}"
        return done.stdout.decode()

    def set_addresses(self, addresses: Sequence[str]) -> None:
        """Make these the node's own addresses (127.0.0.1 and ::1 are always there)."""
        commands = ["address flush dev eth0 scope global"]
        commands += [f"address add {MASQUERADE[0]}/32 dev eth0"]
        commands += [f"address add {MASQUERADE[1]}/128 dev eth0 nodad"]
        for address in addresses:
            # Deprecated IPv6 addresses (RFC 6724 rule 3) lose against the one for masquerading.
            bits, options = (128, " nodad preferred_lft 0") if ":" in address else (32, "")
            commands.append(f"address add {address}/{bits} dev eth0{options}")
        for via in GATEWAY:
            # They go with the link's last address.
            known = f"neighbour replace {via} lladdr {WORLD_MAC} dev eth0 nud permanent"
            commands += [known, f"route replace default via {via} dev eth0 onlink"]
        self.run("ip", "-batch", "-", given="\n".join([*commands, ""]).encode())
        self.addresses = tuple(addresses)
        self.local = frozenset((*addresses, *MASQUERADE, "127.0.0.1", "::1"))

    def send(self, flows: Sequence[Flow]) -> list[Seen]:
        """Try new connections, all at once; what became of each, in the same order."""
        result: list[Seen] = []
        with _on_one_cpu():
            for start in range(0, len(flows), _BATCH):
                result += self._send_batch(flows[start : start + _BATCH])
        return result

    def forget(self) -> None:
        """Have conntrack know no connection: a test that holds some begins with this.

        So do source ports not come round to one that it still knows; see :meth:`send`.
        """
        self.run("conntrack", "-F")
        self._since_flush = 0

    def _count(self, connections: int) -> None:
        if self._since_flush + connections > _PORTS // 2:
            self.forget()
        self._since_flush += connections

    def _send_batch(self, flows: Sequence[Flow]) -> list[Seen]:
        self._count(len(flows) + 2 * len(_MARKERS))
        watch = _Watch()
        for sent, flow in enumerate(flows, start=1):
            token = next(self._tokens)
            watch.flows[token] = flow
            port = flow.source_port or 1024 + token * 7919 % _PORTS
            packet = Packet(flow.source, flow.destination, flow.protocol, port, flow.port, token)
            data = streams.later(packet) if flow.goes_on else packets.build(packet)
            self._emit_raw(data, from_node=flow.source in self.local)
            if sent % 64 == 0:
                self._collect(watch, 0)
        self._await_marker(watch)
        while self._await_marker(watch):  # what was said last is on its way only now
            pass
        if self.terminates:
            self._await_programs(watch)
        return [watch.judge(token, flow) for token, flow in watch.flows.items()]

    def _await_programs(self, watch: _Watch) -> None:
        """Wait until the programs that take connections have nothing to do, and none is open."""
        limit = time.monotonic() + 60
        while time.monotonic() < limit:
            self._collect(watch, 0)
            is_idle = not self.node.exec("sh", "-c", _BUSY).stdout
            self.node.settle()
            heard = len(watch.arrived) + len(watch.answered)
            self._collect(watch, 0)
            if is_idle and heard == len(watch.arrived) + len(watch.answered) and not watch.open:
                return
            self._collect(watch, 0.02)

    def _await_marker(self, watch: _Watch) -> bool:
        """Wait until all that was sent has come, or was dropped; whether any of it was answered.

        A rule like ``TCPMSS`` gives a SYN options, with which it looks like a program's: then the
        flow's token comes in the third packet, and its answer in the fourth.
        """
        before = watch.replies
        self.node.settle()
        wanted = set()
        for source, destination in _MARKERS:
            token = next(self._tokens)
            wanted.add(token)
            self._emit(Packet(source, destination, Protocol.UDP, 1024 + token % 60000, 9, token))
        limit = time.monotonic() + self.node.patience
        while not wanted <= watch.arrived.keys():
            assert time.monotonic() < limit, "The node under test forwards nothing at all."
            self._collect(watch, 0.2)
        self.node.settle()
        self._collect(watch, 0)
        return watch.replies > before

    def _emit(self, packet: Packet, *, from_node: bool = False) -> None:
        self._emit_raw(packets.build(packet), from_node=from_node)

    def _emit_raw(self, data: bytes, *, from_node: bool) -> None:
        if from_node:
            self.node.say(data)
            return
        kind = raw.IPV6 if data[0] >> 4 == 6 else raw.IPV4
        head = bytes.fromhex((NODE_MAC + WORLD_MAC).replace(":", "")) + struct.pack("!H", kind)
        self.link.send(head + data)

    def _collect(self, watch: _Watch, wait: float) -> None:
        """Read everything that arrived anywhere, and answer first packets."""
        select.select([self.link, *self.node.ears], [], [], wait)
        while heard := self._heard():
            for data, at_node in heard:
                if at_node and streams.is_for_program(data):
                    continue
                turn = streams.hear(data)
                if turn is not None:
                    watch.note_turn(turn)
                    if turn.reply:
                        watch.replies += 1
                        self._emit_raw(turn.reply, from_node=at_node)
                    continue
                packet = packets.parse(data)
                if packet is not None and watch.note(packet):
                    watch.replies += packet.token in watch.flows  # and no marker
                    self._emit(packets.answer_to(packet), from_node=at_node)

    def _heard(self) -> list[tuple[bytes, bool]]:
        """What arrived, in the world or at the node."""
        at_node = [(data, True) for data in self.node.hear()]
        return [*((data, False) for data in _on_link(self.link)), *at_node]


def _on_link(link: socket.socket) -> Iterator[bytes]:
    """The packets that came out of the node's link, without their Ethernet headers."""
    while True:
        try:
            data, address = link.recvfrom(4096)
        except BlockingIOError:
            return
        if address[2] != socket.PACKET_OUTGOING:
            yield data[14:]


@dataclass(slots=True)
class _Watch:
    """A batch of flows, and what has been seen so far, by token.

    ``replies``: how often the world has answered, but for the markers.
    """

    flows: dict[int, Flow] = field(default_factory=dict)
    arrived: dict[int, Packet] = field(default_factory=dict)
    answered: dict[int, Packet] = field(default_factory=dict)
    refused: dict[int, tuple[int, int]] = field(default_factory=dict)
    accepted: set[int] = field(default_factory=set)
    replies: int = 0

    @property
    def open(self) -> set[int]:
        """The flows that a program on the node has taken, and that have no answer yet.

        What programs say to each other on the node is heard, too, and is none.
        """
        return (self.accepted & self.flows.keys()) - self.answered.keys()

    def note_turn(self, turn: Turn) -> None:
        """Remember what was heard of a connection that such a program takes or makes."""
        if turn.accepted is not None:
            self.accepted.add(turn.accepted)
        if turn.packet is not None:
            self.note(turn.packet)

    def note(self, packet: Packet) -> bool:
        """Remember a packet; whether it is a first packet that has to be answered now."""
        if packet.icmp is not None:
            self.refused.setdefault(packet.token, packet.icmp)
            return False
        if packet.is_answer:
            # A raw socket at the node also sees answers that NAT sends on: the last word counts.
            if packet.destination in MASQUERADE:
                return False  # to a program there, which still has to send it on
            self.answered[packet.token] = packet
            return False
        if packet.token in self.arrived:
            return False
        self.arrived[packet.token] = packet
        return True

    def judge(self, token: int, flow: Flow) -> Seen:
        packet = self.arrived.get(token)
        if packet is not None:
            answer = self.answered.get(token)
            answered = answer is not None and (
                (answer.source, answer.source_port, answer.destination)
                == (flow.destination, flow.port, flow.source)
            )
            came = f"{answer.source} {answer.source_port} -> {answer.destination}" if answer else ""
            at, port, source = packet.destination, packet.port, packet.source
            return Seen("delivered", at, port, source, answered, came)
        icmp = self.refused.get(token)
        if icmp is None:
            return Seen("DROP")
        reject = (1, 4) if ":" in flow.destination else (3, 3)
        return Seen("REJECT" if icmp == reject else f"ICMP {icmp[0]}/{icmp[1]}")


class Kind(Enum):
    """What a node under test is: a network namespace of this kernel, or a guest with its own."""

    NAMESPACE = "namespace"
    GUEST = "guest"


@contextlib.contextmanager
def open_arena(
    folder: Path,
    addresses: Sequence[str],
    iptables: str = "nft",
    kind: Kind = Kind.NAMESPACE,
) -> Iterator[Arena]:
    """Boot a node with a world around it, and take both away at the end.

    The node forwards; ``folder`` holds its disk; ``iptables`` is ``nft`` or ``legacy``, which is
    all that a guest has.
    """
    boot = namespace_node.boot if kind is Kind.NAMESPACE else guest_node.boot
    with boot(folder, iptables) as (node, link):
        arena = Arena(node, link)
        arena.set_addresses(addresses)
        yield arena


@contextlib.contextmanager
def _on_one_cpu() -> Iterator[None]:
    """Keep what is sent in order: each CPU has a queue of its own for what veth links carry."""
    allowed = os.sched_getaffinity(0)
    chosen = sorted(allowed)[os.getpid() % len(allowed)]
    os.sched_setaffinity(0, {chosen})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)
