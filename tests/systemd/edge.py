"""A node under systemd with a Service: as its operator, its client and its root see it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path

import yaml

from svcform.lab.lab import Lab
from svcform.lab.spec import CLIENT_KEY, EndpointSpec, LabSpec, NodeSpec
from tests.fleet.projects import Project, Said

NODE_PORT = 30080
_SERVICES = f"""\
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec:
  type: NodePort
  ports: [{{name: http, port: 80, targetPort: 8080, nodePort: {NODE_PORT}}}]
"""
#: A client that keeps its connection: each line it reads is sent; so is each answer printed.
_HOLD = """\
import socket, sys
peer = socket.create_connection((sys.argv[1], int(sys.argv[2])), 60)
print("open", flush=True)
sys.stdin.readline()
peer.settimeout(60)
peer.sendall(b"who?")
print(peer.recv(999).decode(), flush=True)
"""


def spec(directory: Path, firewalls: str, names: tuple[str, ...]) -> LabSpec:
    """Nodes under systemd, with one endpoint behind each."""
    return LabSpec(
        directory=directory,
        nodes=tuple(NodeSpec(name=n, init="systemd", packages=firewalls) for n in names),
        endpoints=tuple(EndpointSpec(name=f"endpoint-{n}", node=n) for n in names),
    )


@dataclass(frozen=True)
class Edge:
    """A node, and the project of which it is the only node."""

    lab: Lab
    name: str
    project: Project

    def run(self, *command: str) -> str:
        """Run a command on the node as root; what it prints.  It has to succeed."""
        done = self.lab.run(self.name, command)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout.decode()

    def sh(self, script: str) -> str:
        return self.run("sh", "-euc", textwrap.dedent(script))

    def ask(self) -> str:
        """What a client outside gets from the Service, over a new connection."""
        words = [sys.executable, "-m", "svcform.lab.ask", *self._frontend(), "TCP", "1"]
        return self.lab.run("client", words, timeout=120).stdout.decode().strip()

    def serves(self) -> bool:
        return self.ask().startswith(f"endpoint=endpoint-{self.name} ")

    def await_service(self, when: str) -> None:
        """Wait for the Service to work again; nobody but the node itself does anything for it."""
        limit = time.monotonic() + 180
        running = ("list-units", "-q", "--no-legend", "--state=running,reloading", "svcform*")
        while self.run("systemctl", *running) or not self.serves():
            assert time.monotonic() < limit, f"{self.ask()} {when}\n{self.journal('-usvcform*')}"

    def hold(self) -> subprocess.Popen[str]:
        """A client with an open connection to the Service; it asks once it is written a line."""
        words = self.lab.command("client", [sys.executable, "-c", _HOLD, *self._frontend()])
        pipe = subprocess.PIPE
        client = subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        assert client.stdout.readline() == "open\n", client.stderr.read()
        return client

    def _frontend(self) -> tuple[str, str]:
        return self.lab.addresses(self.name)[0], str(NODE_PORT)

    def ssh(self, *command: str) -> str:
        """Run a command as the operator who logs in; what it prints.  It has to succeed."""
        node = self.lab.state["nodes"][self.name]
        options = [f"-oUserKnownHostsFile={self.lab.directory}/known_hosts", "-oBatchMode=yes"]
        key = f"-i{self.lab.directory / CLIENT_KEY}"
        done = subprocess.run(
            ["ssh", *options, key, f"-p{node['port']}", "ops@127.0.0.1", *command],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout

    def foreign(self) -> list[str]:
        """All rules and policies that aren't svcform's, sorted."""
        listing = self.run("nft", "-s", "list", "ruleset")
        others = re.sub(r"\tchain SVCFORM.*?\n\t}\n", "", listing, flags=re.DOTALL)
        lines = [line.strip() for line in others.splitlines() if "SVCFORM" not in line]
        plain = re.compile(r"}|table |chain |type .* accept;$")
        return sorted(line for line in lines if line and not plain.match(line))

    def apply(self, *arguments: str) -> Said:
        return self.project.svcform("apply", "--auto-approve", *arguments)

    def start_apply(self, *arguments: str) -> subprocess.Popen[str]:
        return self.project.start("apply", "--auto-approve", *arguments)

    def pending(self) -> str:
        """What a plan would still change; empty for nothing."""
        said = self.project.svcform("plan", "--detailed-exitcode")
        return "" if said.code == 0 else said.out + said.err

    def journal(self, *arguments: str) -> str:
        return self.run("journalctl", "--no-pager", "-b", *arguments)


def make_edge(lab: Lab, name: str, directory: Path) -> Edge:
    """A project for one of a lab's nodes."""
    inventory = yaml.safe_load(lab.inventory().read_text())
    hosts = inventory["all"]["children"]["lab"]["hosts"]
    inventory["all"]["children"]["lab"]["hosts"] = {name: hosts[name]}
    project = Project(directory)
    address = lab.addresses(f"endpoint-{name}")[0]
    project.write(inventory, [])
    slices = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "web-1", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": [{"addresses": [address], "nodeName": name}],
    }
    services = directory / "services/web.yml"
    services.write_text(f"{_SERVICES}---\n{yaml.safe_dump(slices)}")
    play = yaml.safe_load((directory / "playbooks/site.yml").read_text())
    del play[0]["workloads"]
    (directory / "playbooks/site.yml").write_text(yaml.safe_dump(play))
    shutil.copy(lab.directory / "known_hosts", directory / "known_hosts")
    return Edge(lab, name, project)
