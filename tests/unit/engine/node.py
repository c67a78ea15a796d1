"""A lab node made of one process, and the values that a workspace would hold for it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from svcform.model.net import Family, Protocol
from svcform.model.node import Connection, Node, Play
from svcform.model.service import NamespacedName
from svcform.model.settings import Settings
from svcform.model.workspace import Workspace
from svcform.policy.intent import (
    Destination,
    Frontend,
    FrontendKind,
    Intent,
    Pool,
    PortGroup,
    PortIntent,
    Route,
    Source,
)
from svcform.transport import local
from svcform.transport.contract import Session

PROJECT = "11111111-2222-3333-4444-555555555555"


@dataclass
class LabNode:
    """The process that keeps the namespaces, and where the node keeps its state."""

    process: subprocess.Popen[bytes]
    state: Path
    commands: list[str] = field(default_factory=list)

    @classmethod
    def start(cls, state: Path, shell: str) -> LabNode:
        """Two namespaces, an address on a link, and ``shell`` as /bin/sh."""
        setup = "ip link set lo up; ip link add e0 type veth peer name e1; ip link set e1 up; "
        setup += "ip addr add 192.0.2.11/24 dev e0; ip link set e0 up; "
        setup += "echo 0 >/proc/sys/net/ipv4/ip_forward; "
        if shell == "busybox":
            # Its shell may prefer its own commands (Debian's static one); Alpine has no other ip.
            for path in ("/usr/bin/dash", os.path.realpath("/usr/sbin/ip")):
                setup += f"mount --bind /usr/bin/busybox {path} || exit 1; "
        process = subprocess.Popen(
            ["unshare", "--net", "--mount", "bash", "-c", setup + "echo ready; exec sleep 600"],
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        return cls(process, state)

    def stop(self) -> None:
        """Kill what the node's runs left, then the node."""
        for pid in self.pids():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()

    def pids(self) -> dict[int, str]:
        """The processes of svcform's that run on the node, with their command lines."""
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    command = (entry / "cmdline").read_bytes()
                except OSError:
                    continue
                if str(self.state).encode() in command:
                    found[int(entry.name)] = command.replace(b"\0", b" ").decode()
        return found

    def run(self, script: str) -> str:
        """What a command on the node prints."""
        with self.session() as session:
            result = session.exec(script)
        assert result.code == 0, result.stderr.decode()
        return result.stdout.decode()

    def session(self) -> Session:
        """A way in."""
        return local.open_session(self.node().connection)

    def node(self, name: str = "n1", *, absent: bool = False) -> Node:
        """The node as an inventory has it."""
        connection = Connection(kind="svcform_lab", lab_pid=self.process.pid, host="192.0.2.11")
        settings = Settings(service_cidrs=("10.96.0.0/16",), node_name=name)
        return Node(name=name, connection=connection, settings=settings, plays=(0,), absent=absent)

    def wait_until_idle(self, seconds: float = 60.0) -> None:
        """Until no process of svcform's is left."""
        deadline = time.monotonic() + seconds
        while left := self.pids():
            assert time.monotonic() < deadline, f"still runs: {left}"
            time.sleep(0.1)


def opener(node: Node) -> Session:
    """Opens what the tests' nodes need."""
    return local.open_session(node.connection)


def workspace(*nodes: Node, project: str = PROJECT) -> Workspace:
    """One play over all nodes."""
    play = Play(name="edge", nodes=tuple(node.name for node in nodes))
    return Workspace(project_id=project, root="/", plays=(play,), nodes=nodes)


def port(
    name: str = "cart", address: str = "10.96.0.10", endpoints: tuple[str, ...] = ("10.244.1.5",)
) -> PortIntent:
    """A Service port with one clusterIP."""
    destinations = tuple(Destination(endpoint, 8080) for endpoint in sorted(endpoints))
    family = Family.IPV6 if ":" in address else Family.IPV4
    frontend = Frontend(
        FrontendKind.CLUSTER_IP,
        address,
        80,
        Protocol.TCP,
        (Route(Source.ANY, Pool(destinations)),),
    )
    return PortIntent(
        NamespacedName("shop", name), "", Protocol.TCP, family, (frontend,), destinations
    )


def intent(node: Node, *ports: PortIntent) -> Intent:
    """What the node should do."""
    return Intent(
        node_name=node.name,
        settings=node.settings,
        common=PortGroup(ports),
        own=PortGroup(()),
        cluster_ips=(),
        hairpin=(),
        health_check_node_ports=(),
        connection_host=node.connection.host,
    )
