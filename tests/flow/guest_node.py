"""A node under test on a kernel of its own, for what the running one lacks: user-mode Linux."""

from __future__ import annotations

import contextlib
import itertools
import os
import select
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from svcform.lab import kernel, network
from tests.flow.agent import (
    ENDED,
    HEAD,
    HEARD,
    OUTCOME,
    RUN,
    SAY,
    SETTLE,
    SETTLED,
    command,
    message,
)
from tests.flow.node import LINK, NODE_MAC, SYSCTLS, WORLD_MAC, make_disk, open_link
from tests.uml import guest
from tests.uml.guest import Guest
from tests.uml.node import APPLETS

_INIT = Path(__file__).parent / "guest-init.sh"
_LINK, _CONTROL = "tap0", "tap1"
_CONTROL_ADDRESSES = ("169.254.77.1", "169.254.77.2")
_PORT = 7777
_PATIENCE = 400.0
_LARGE = 16 << 10
#: With a rule of theirs the guest's kernel doesn't end the connections that are made by hand on it.
_TOOLS = ("iptables", "ip6tables")


@dataclass(slots=True)
class GuestNode:
    """See :class:`tests.flow.node.Node`; ``control`` is the connection to the agent in it."""

    disk: Path
    guest: Guest
    control: socket.socket
    ears: tuple[socket.socket, ...] = ()  # it tells when it is asked to settle
    patience: float = 300.0
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _said: list[bytes] = field(default_factory=list)
    _heard: list[bytes] = field(default_factory=list)
    _received: bytearray = field(default_factory=bytearray)

    def exec(self, *argv: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        if len(given) + sum(map(len, argv)) > _LARGE:
            return self._exec_with_files(argv, given)
        self._tell(message(RUN, command(argv, given)))
        told = self._await(ENDED)
        code, length = OUTCOME.unpack_from(told)
        output = told[OUTCOME.size :]
        return subprocess.CompletedProcess(argv, code, output[:length], output[length:])

    def _exec_with_files(
        self, argv: Sequence[str], given: bytes
    ) -> subprocess.CompletedProcess[bytes]:
        """Run what is large, a command or its input: through the disk."""
        name = f"var/tmp/given-{next(self._numbers)}"
        script, data = self.disk / f"{name}.sh", self.disk / name
        data.write_bytes(given)
        script.write_text(f"exec {shlex.join(argv)} </{name}\n")
        try:
            return self.exec("sh", f"/{name}.sh")
        finally:
            script.unlink()
            data.unlink()

    def say(self, packet: bytes) -> None:
        self._said.append(message(SAY, packet))

    def hear(self) -> list[bytes]:
        heard, self._heard = self._heard, []
        return heard

    def settle(self) -> None:
        self._tell(message(SETTLE))
        self._await(SETTLED)

    def _tell(self, last: bytes) -> None:
        self.control.settimeout(_PATIENCE)
        self.control.sendall(b"".join([*self._said, last]))
        self._said.clear()

    def _await(self, kind: int) -> bytes:
        """Wait for a message of a kind; its body."""
        limit = time.monotonic() + _PATIENCE
        while (body := self._take(kind)) is None:
            if time.monotonic() > limit:
                pytest.fail(f"The guest's agent does not answer.\n{self.guest.console.read_text()}")
            self._receive(1.0)
        return body

    def _receive(self, wait: float) -> None:
        ready, _, _ = select.select([self.control], [], [], wait)
        if ready:
            data = self.control.recv(1 << 20)
            if not data:
                pytest.fail(f"The guest is gone.\n{self.guest.console.read_text()[-3000:]}")
            self._received += data

    def _take(self, kind: int) -> bytes | None:
        """Keep what was heard of what has come; the body of the first message of a kind."""
        start, found, received = 0, None, bytes(self._received)
        while found is None and start + HEAD.size <= len(received):
            length, what = HEAD.unpack_from(received, start)
            body = received[start + HEAD.size : start + HEAD.size + length]
            if len(body) < length:
                break
            start += HEAD.size + length
            if what == HEARD:
                self._heard.append(body)
            elif what == kind:
                found = body
        del self._received[:start]
        return found


@contextlib.contextmanager
def boot(folder: Path, iptables: str) -> Iterator[tuple[GuestNode, socket.socket]]:
    """A node, and the world's end of its link."""
    assert iptables == "legacy", "a guest has no nftables for IP"
    world = kernel.new_network()
    make_disk(folder / "disk", iptables)
    # A machine of that memory would remember a few thousand connections.
    options = "options nf_conntrack hashsize=32768\n"
    (folder / "disk/etc/modprobe.d/arena.conf").write_text(options)
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, world)
        _prepare(world)
        with kernel.inside(world):
            link = stack.enter_context(open_link(_LINK))
            door = stack.enter_context(socket.create_server((_CONTROL_ADDRESSES[0], _PORT)))
        started = _start(folder, world)
        stack.callback(started.kill)
        control = stack.enter_context(_accept(door, started))
        node = GuestNode(folder / "disk", started, control)
        node.settle()
        _configure(node)
        yield node, link


def _prepare(world: int) -> None:
    """The world's ends of both links; its own stack stays out of the node's."""
    network.set_sysctls(world, (("net.ipv6.conf.all.disable_ipv6", "1"),))
    network.ip(
        world,
        [
            f"tuntap add {_LINK} mode tap",
            # What doesn't fit is dropped, and a guest may be slow to begin.
            f"link set {_LINK} address {WORLD_MAC} txqueuelen 10000 up",
            f"tuntap add {_CONTROL} mode tap",
            f"link set {_CONTROL} txqueuelen 10000 {guest.NO_GSO} up",
            f"address add {_CONTROL_ADDRESSES[0]}/30 dev {_CONTROL}",
        ],
    )


def _start(folder: Path, world: int) -> Guest:
    return guest.start(
        folder,
        world,
        _INIT,
        f"vec0:transport=tap,ifname={_LINK},depth=128,gro=0,mac={NODE_MAC}",
        f"vec1:transport=tap,ifname={_CONTROL},depth=128,gro=0",
        f"DISK={folder}/disk",
        f"CODE={Path(__file__).parents[2]}",
        f"PYTHON={sys.executable}",
        f"AGENT={_CONTROL_ADDRESSES[0]}",
        f"OWN={_CONTROL_ADDRESSES[1]}",
        f"PORT={_PORT}",
        memory="256M",
    )


def _accept(door: socket.socket, started: Guest) -> socket.socket:
    door.settimeout(0.1)
    limit = time.monotonic() + _PATIENCE
    while True:
        try:
            control, _ = door.accept()
        except TimeoutError:
            if started.process.poll() is not None or time.monotonic() > limit:
                pytest.fail(f"The guest did not boot:\n{started.console.read_text()[-3000:]}")
        else:
            control.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return control


def _configure(node: GuestNode) -> None:
    """Give the agent's machine the node's disk, name and link; its programs are loaded by now."""
    settings = [(f"/proc/sys/{name.replace('.', '/')}", value) for name, value in SYSCTLS]
    lines = [
        "mkdir -p /run/programs",
        f"cp {guest.busybox()} /run/programs/busybox",
        "mount -t tmpfs tmp /tmp",  # where this checkout may be
        f"for name in {' '.join(APPLETS)}; do ln -s busybox /run/programs/$name; done",
        'mount -t hostfs -o "$DISK" none /mnt',
        "for folder in etc var root home; do mount --bind /mnt/$folder /$folder; done",
        'hostname "$(cat /etc/hostname)"',
        "ip link set vec0 name eth0",
        *(f"[ ! -e {path} ] || echo {value} >{path}" for path, value in settings),
        "ip -batch - <<'END'",
        *LINK,
        "END",
        *(f"{tool} -t raw -A OUTPUT -p tcp --tcp-flags RST RST -j DROP" for tool in _TOOLS),
    ]
    done = node.exec("sh", "-ec", "\n".join([*lines, ""]))
    assert done.returncode == 0, done.stderr
