"""A node under test in namespaces of the running kernel."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from svcform.lab import kernel, machine, network
from tests.flow import raw
from tests.flow.node import LINK, SYSCTLS, WORLD_MAC, make_disk, open_link

_MACHINE = ("--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd")


@dataclass(slots=True)
class NamespaceNode:
    """See :class:`tests.flow.node.Node`; ``pid`` is its init's."""

    disk: Path
    pid: int
    ears: Sequence[socket.socket]
    mouths: dict[int, socket.socket]
    patience: float = 30.0

    def exec(self, *argv: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            ["nsenter", f"--target={self.pid}", *_MACHINE, *argv],
            input=given,
            capture_output=True,
            check=False,
        )

    def say(self, packet: bytes) -> None:
        raw.say(self.mouths, packet)

    def hear(self) -> Iterator[bytes]:
        for ear in self.ears:
            yield from raw.hear(ear)

    def settle(self) -> None:
        """Nothing is under way: all of it is done by the system call that begins it."""


@contextlib.contextmanager
def boot(folder: Path, iptables: str) -> Iterator[tuple[NamespaceNode, socket.socket]]:
    """A node, and the world's end of its link."""
    own, world = kernel.new_network(), kernel.new_network()
    make_disk(folder / "disk", iptables)
    pid = machine.boot(machine.Machine(disk=folder / "disk", name="arena", network=own))
    with contextlib.ExitStack() as stack:
        stack.callback(_end, pid)
        stack.callback(os.close, own)
        stack.callback(os.close, world)
        _wire(own, world)
        with kernel.inside(world):
            link = stack.enter_context(open_link("eth0"))
        with kernel.inside(own):
            ears, mouths = raw.open_ears(), raw.open_mouths()
        for each in (*ears, *mouths.values()):
            stack.enter_context(each)
        node = NamespaceNode(folder / "disk", pid, ears, mouths)
        silenced = node.exec("nft", "-f", "-", given=_SILENCE.encode())
        assert silenced.returncode == 0, silenced.stderr.decode()
        yield node, link


#: The node's own kernel would end the connections that are made by hand on it.
_SILENCE = """
table inet arena {
	chain output { type filter hook output priority -400; tcp flags & rst == rst drop; }
}
"""


def _end(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def _wire(own: int, world: int) -> None:
    network.wire(network.Wire("eth0", own, "eth0", world))
    network.set_sysctls(own, SYSCTLS)
    # The world's own stack stays out of it: it has no addresses, and forwards nothing.
    network.set_sysctls(world, (("net.ipv6.conf.all.disable_ipv6", "1"),))
    network.ip(world, [f"link set eth0 address {WORLD_MAC} up"])
    network.ip(own, LINK)
