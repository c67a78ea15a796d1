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
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from svcform.lab import kernel, machine, network
from svcform.model.net import Protocol
from tests.flow import packets
from tests.flow.packets import Packet

_GATEWAY = ("169.254.0.1", "fe80::fe")
#: What the node masquerades as: no flow's source, so that it shows on the node's own flows, too.
_MASQUERADE = ("192.168.255.1", "fd00:255::1")
_WORLD_MAC = "02:73:76:63:66:77"
_NODE_MAC = "02:73:76:63:66:78"
_MACHINE = ("--mount", "--uts", "--ipc", "--net", "--pid")
_BATCH = 400
_PATIENCE = 3.0
_PORTS = 64000
#: Where the world's own last packet of a batch goes: forwarded by any node, no Service's address.
_MARKERS = (("198.18.0.1", "198.18.0.2"), ("2001:db8:ffff::1", "2001:db8:ffff::2"))


@dataclass(frozen=True, slots=True)
class Flow:
    """A new connection to try; with a ``source_port`` one that may be known already."""

    source: str
    destination: str
    port: int
    protocol: Protocol = Protocol.TCP
    source_port: int | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What became of a flow's first packet.

    ``verdict`` is ``delivered``, ``REJECT``, ``DROP`` or ``ICMP type/code``.  Where delivered:
    the address, port and source with which it arrived, and whether the answer came back from
    where the flow had been sent to.
    """

    verdict: str
    address: str = ""
    port: int = 0
    source: str = ""
    answered: bool = False


@dataclass(slots=True)
class Arena:
    """A booted node and the sockets around it."""

    pid: int
    node: int
    world: int
    link: socket.socket
    node_ear: list[socket.socket]
    node_mouth: dict[int, socket.socket]
    local: frozenset[str] = frozenset()
    _tokens: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _since_flush: int = 0

    def exec(self, *argv: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run a command on the node, both streams captured."""
        return subprocess.run(
            ["nsenter", f"--target={self.pid}", *_MACHINE, *argv],
            input=given,
            capture_output=True,
            check=False,
        )

    def run(self, *argv: str, given: bytes = b"") -> str:
        """Run a command on the node that has to succeed; its standard output as text."""
        done = self.exec(*argv, given=given)
        assert done.returncode == 0, f"{argv[:3]}: {done.stderr.decode()}"
        return done.stdout.decode()

    def set_addresses(self, addresses: Sequence[str]) -> None:
        """Make these the node's own addresses (127.0.0.1 and ::1 are always there)."""
        commands = ["address flush dev eth0 scope global"]
        commands += [f"address add {_MASQUERADE[0]}/32 dev eth0"]
        commands += [f"address add {_MASQUERADE[1]}/128 dev eth0 nodad"]
        for address in addresses:
            # Deprecated IPv6 addresses (RFC 6724 rule 3) lose against the one for masquerading.
            bits, options = (128, " nodad preferred_lft 0") if ":" in address else (32, "")
            commands.append(f"address add {address}/{bits} dev eth0{options}")
        commands += [f"route replace default via {via} dev eth0 onlink" for via in _GATEWAY]
        network.ip(self.node, commands)
        self.local = frozenset((*addresses, *_MASQUERADE, "127.0.0.1", "::1"))

    def send(self, flows: Sequence[Flow]) -> list[Seen]:
        """Try new connections, all at once; what became of each, in the same order."""
        result: list[Seen] = []
        with _on_one_cpu():
            for start in range(0, len(flows), _BATCH):
                result += self._send_batch(flows[start : start + _BATCH])
        return result

    def _forget(self, connections: int) -> None:
        """Keep source ports from coming round to a connection that conntrack still knows."""
        self._since_flush += connections
        if self._since_flush > _PORTS // 2:
            self.run("conntrack", "-F")
            self._since_flush = connections

    def _send_batch(self, flows: Sequence[Flow]) -> list[Seen]:
        self._forget(len(flows))
        waiting: dict[int, Flow] = {}
        order: list[int] = []
        watch = _Watch()
        for flow in flows:
            token = next(self._tokens)
            order.append(token)
            waiting[token] = flow
            port = flow.source_port or 1024 + token * 7919 % _PORTS
            packet = Packet(flow.source, flow.destination, flow.protocol, port, flow.port, token)
            self._emit(packet, from_node=flow.source in self.local)
            if len(order) % 64 == 0:
                self._collect(watch, 0)
        self._await_marker(watch)
        self._await_marker(watch)  # the answers to what arrived last are on their way only now
        return [watch.judge(token, waiting[token]) for token in order]

    def _await_marker(self, watch: _Watch) -> None:
        wanted = set()
        for source, destination in _MARKERS:
            token = next(self._tokens)
            wanted.add(token)
            self._emit(Packet(source, destination, Protocol.UDP, 1024 + token % 60000, 9, token))
        limit = time.monotonic() + _PATIENCE
        while not wanted <= watch.arrived.keys():
            assert time.monotonic() < limit, "The node under test forwards nothing at all."
            self._collect(watch, 0.2)
        self._collect(watch, 0)

    def _emit(self, packet: Packet, *, from_node: bool = False) -> None:
        data = packets.build(packet)
        kind = 0x86DD if ":" in packet.source else 0x0800
        if from_node:
            target = (packet.destination, 0, 0, 0) if kind == 0x86DD else (packet.destination, 0)
            # A full queue or a REJECT in OUTPUT shows as an error of send; the ICMP error counts.
            with contextlib.suppress(OSError):
                self.node_mouth[kind].sendto(data, target)
            return
        head = bytes.fromhex((_NODE_MAC + _WORLD_MAC).replace(":", "")) + struct.pack("!H", kind)
        self.link.send(head + data)

    def _collect(self, watch: _Watch, wait: float) -> None:
        """Read everything that arrived anywhere, and answer first packets."""
        ears = [self.link, *self.node_ear]
        ready, _, _ = select.select(ears, [], [], wait)
        while ready:
            for ear in ready:
                for packet, at_node in self._read(ear):
                    if watch.note(packet):
                        self._emit(packets.answer_to(packet), from_node=at_node)
            ready, _, _ = select.select(ears, [], [], 0)

    def _read(self, ear: socket.socket) -> Iterator[tuple[Packet, bool]]:
        while True:
            try:
                data, ancillary, _, address = ear.recvmsg(4096, 256)
            except BlockingIOError:
                return
            except OSError:
                continue  # an ICMP error that the kernel reports on a raw socket, too
            packet = _understand(ear, data, ancillary, address)
            if packet is not None:
                yield packet, ear is not self.link


def _understand(ear: socket.socket, data: bytes, ancillary: list, address: tuple) -> Packet | None:
    if ear.family == socket.AF_PACKET:
        return None if address[2] == socket.PACKET_OUTGOING else packets.parse(data[14:])
    if ear.family == socket.AF_INET:
        return packets.parse(data)
    destination = next(
        socket.inet_ntop(socket.AF_INET6, value[:16])
        for level, kind, value in ancillary
        if (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO)
    )
    source = address[0].partition("%")[0]
    return packets.parse_transport(source, destination, ear.proto, data)


@dataclass(slots=True)
class _Watch:
    """What has been seen so far, by token."""

    arrived: dict[int, Packet] = field(default_factory=dict)
    answered: dict[int, Packet] = field(default_factory=dict)
    refused: dict[int, tuple[int, int]] = field(default_factory=dict)

    def note(self, packet: Packet) -> bool:
        """Remember a packet; whether it is a first packet that has to be answered now."""
        if packet.icmp is not None:
            self.refused.setdefault(packet.token, packet.icmp)
            return False
        if packet.is_answer:
            # A raw socket at the node also sees answers that NAT sends on: the last word counts.
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
            return Seen("delivered", packet.destination, packet.port, packet.source, answered)
        icmp = self.refused.get(token)
        if icmp is None:
            return Seen("DROP")
        reject = (1, 4) if ":" in flow.destination else (3, 3)
        return Seen("REJECT" if icmp == reject else f"ICMP {icmp[0]}/{icmp[1]}")


@contextlib.contextmanager
def open_arena(folder: Path, addresses: Sequence[str], iptables: str = "nft") -> Iterator[Arena]:
    """Boot a node with a world around it, and take both away at the end.

    The node forwards; ``folder`` holds its disk; ``iptables`` is ``nft`` or ``legacy``.
    """
    node, world = kernel.new_network(), kernel.new_network()
    machine.make_disk(folder / "disk", "arena")
    _choose_iptables(folder / "disk/etc/alternatives", iptables)
    pid = machine.boot(machine.Machine(disk=folder / "disk", name="arena", network=node))
    with contextlib.ExitStack() as stack:
        stack.callback(_end, pid)
        stack.callback(os.close, node)
        stack.callback(os.close, world)
        _wire(node, world)
        with kernel.inside(world):
            link = stack.enter_context(_link_socket())
        with kernel.inside(node):
            ears = [stack.enter_context(ear) for ear in _ears()]
            mouths = {kind: stack.enter_context(mouth) for kind, mouth in _mouths()}
        arena = Arena(pid, node, world, link, ears, mouths)
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


def _choose_iptables(alternatives: Path, variant: str) -> None:
    """What ``update-alternatives`` of Debian does."""
    for tool in ("iptables", "ip6tables"):
        for suffix in ("", "-restore", "-save"):
            link = alternatives / f"{tool}{suffix}"
            link.unlink(missing_ok=True)
            link.symlink_to(f"/usr/sbin/{tool}-{variant}{suffix}")


def _end(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def _wire(node: int, world: int) -> None:
    network.wire(network.Wire("eth0", node, "eth0", world))
    quiet = (
        ("net.ipv4.conf.all.send_redirects", "0"),
        ("net.ipv4.conf.eth0.send_redirects", "0"),
        ("net.ipv4.conf.all.rp_filter", "0"),
        ("net.ipv4.conf.eth0.rp_filter", "0"),
        ("net.ipv6.conf.all.accept_dad", "0"),
        ("net.ipv6.conf.eth0.accept_dad", "0"),
        ("net.ipv6.conf.eth0.router_solicitations", "0"),
    )
    network.set_sysctls(node, (*quiet, *network.QUIET_LIMITS, *network.FORWARDING))
    # The world's own stack stays out of it: it has no addresses, and forwards nothing.
    network.set_sysctls(world, (("net.ipv6.conf.all.disable_ipv6", "1"),))
    network.ip(world, [f"link set eth0 address {_WORLD_MAC} up"])
    near = [f"neighbour add {via} lladdr {_WORLD_MAC} dev eth0 nud permanent" for via in _GATEWAY]
    network.ip(node, ["link set lo up", f"link set eth0 address {_NODE_MAC} up", *near])


def _link_socket() -> socket.socket:
    link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
    link.bind(("eth0", 0x0003))
    return _enlarged(link)


def _enlarged(opened: socket.socket) -> socket.socket:
    so_rcvbufforce, so_sndbufforce = 33, 32
    for option in (so_rcvbufforce, so_sndbufforce):
        opened.setsockopt(socket.SOL_SOCKET, option, 32 << 20)
    opened.setblocking(False)
    return opened


def _ears() -> Iterator[socket.socket]:
    """Raw sockets that hear all that is delivered on the node."""
    for number in (1, 6, 17, 132):
        yield _enlarged(socket.socket(socket.AF_INET, socket.SOCK_RAW, number))
    for number in (58, 6, 17, 132):
        ear = socket.socket(socket.AF_INET6, socket.SOCK_RAW, number)
        ear.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        yield _enlarged(ear)


def _mouths() -> Iterator[tuple[int, socket.socket]]:
    """Raw sockets that send whole packets as the node."""
    yield 0x0800, _enlarged(socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW))
    yield 0x86DD, _enlarged(socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW))
