"""A network namespace with entries of conntrack's own, and what a step leaves of them."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from svcform.model.facts import Facts
from svcform.model.net import Protocol
from svcform.program.program import Step

CLIENT = {4: "10.0.0.9", 6: "fd00:9::9"}
NODE = "192.168.0.2"
FACTS = Facts(tools=MappingProxyType({"conntrack": "conntrack v1.4.7"}))
_STATES = {
    Protocol.TCP: ("--state", "ESTABLISHED"),
    Protocol.SCTP: ("--state", "ESTABLISHED", "--orig-vtag", "1", "--reply-vtag", "2"),
    Protocol.UDP: (),
}
_BUSYBOX = "/usr/bin/busybox"


@dataclass(frozen=True, slots=True)
class Entry:
    """A connection: where it was sent to, and from where the answers come."""

    destination: str
    port: int
    reply_source: str
    reply_port: int
    protocol: Protocol = Protocol.UDP


@dataclass(frozen=True, slots=True)
class Namespace:
    """A network namespace, and the tools that a script finds first in it."""

    pid: int
    tools: Path

    def exec(self, *argv: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run a command there; both streams are captured."""
        return subprocess.run(
            ["nsenter", f"--target={self.pid}", "--net", *argv],
            input=given,
            capture_output=True,
            check=False,
            env={"PATH": f"{self.tools}:/usr/sbin:/usr/bin:/sbin:/bin"},
        )

    def run(self, step: Step) -> None:
        """Carry a step out."""
        done = self.exec(*step.command, given=step.stdin)
        assert (done.returncode, done.stderr) == (0, b"")

    def inject(self, entries: Sequence[Entry]) -> None:
        """Make connections; each has a client's port of its own, from 2000 on."""
        for number, entry in enumerate(entries, start=2000):
            client = CLIENT[6 if ":" in entry.destination else 4]
            protocol = entry.protocol
            ends = ["-s", client, "-d", entry.destination]
            ends += ["--sport", str(number), "--dport", str(entry.port)]
            ends += ["--reply-src", entry.reply_source, "--reply-dst", client]
            ends += ["--reply-port-src", str(entry.reply_port), "--reply-port-dst", str(number)]
            options = ["-p", protocol.value.lower(), "-t", "600", *_STATES[protocol]]
            done = self.exec("conntrack", "-I", *options, *ends)
            assert done.returncode == 0, done.stderr

    def survivors(self, entries: Sequence[Entry]) -> list[Entry]:
        """Those of the entries that were injected that are still there."""
        lists = [self.exec("conntrack", "-L", "-f", f).stdout.decode() for f in ("ipv4", "ipv6")]
        lines = "".join(lists).splitlines()
        ports = {int(line.partition(" sport=")[2].split()[0]) for line in lines}
        return [entry for number, entry in enumerate(entries, start=2000) if number in ports]


@contextlib.contextmanager
def open_namespace(folder: Path, shell: str) -> Iterator[Namespace]:
    """A namespace with the address NODE; ``shell`` is what ``sh``, ``awk`` and so on are."""
    folder.mkdir()
    if shell == "busybox":
        for applet in ("sh", "awk", "sed", "cat", "ip"):
            (folder / applet).symlink_to(_BUSYBOX)
    setup = f"ip link set lo up; ip addr add {NODE}/32 dev lo; echo ready; exec sleep 600"
    with subprocess.Popen(
        ["unshare", "--net", "sh", "-c", setup], stdout=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield Namespace(process.pid, folder)
        finally:
            process.kill()
