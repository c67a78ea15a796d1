"""A node in a user-mode Linux guest, whose state is on a disk of its own: its power can be cut.

The controller runs in the network namespace at the other end of the guest's only link, where an
endpoint answers, too.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from svcform.lab import kernel, machine, network, sshd
from svcform.lab.spec import NodeSpec
from tests.fleet.projects import Project, Said
from tests.uml import guest
from tests.uml.guest import HERE, TAP, Guest

NAME = "node-1"
ADDRESS = "192.168.99.11"
CONTROLLER = "192.168.99.2"
ENDPOINTS = ("10.244.1.5", "10.244.1.6", "10.244.1.7")
#: Programs that stand before the system's, in the node's eyes: a test's own, and busybox's, which
#: start in half the time there.  Its ``sync`` is none of them: it can't sync one file, and what
#: syncs all of a disk hides what was forgotten.
PROGRAMS = "/run/host/programs"
APPLETS = (
    *("awk", "basename", "cat", "chmod", "cp", "cut", "date", "dirname", "grep", "gzip"),
    *("head", "id", "ln", "ls", "mkdir", "mktemp", "mv", "printf", "rm", "rmdir", "sed"),
    *("sha256sum", "sleep", "sort", "tail", "tr", "uname", "wc"),
)


@dataclass(slots=True)
class UmlNode:
    """A node and the network namespace it is reached from.

    ``folder`` is for the files of its machine; its disk, its project and ``shared``, the node's
    /run/host as seen from here, are in ``home``.
    """

    folder: Path
    network: int
    home: Path
    guest: Guest | None = None
    project: Project = field(init=False)

    def __post_init__(self) -> None:
        self.project = Project(self.home / "project")

    @property
    def disk(self) -> Path:
        return self.home / "disk.img"

    @property
    def shared(self) -> Path:
        return self.home / "shared"

    def boot(self, disk: Path | None = None) -> None:
        """Start the node, from another disk than its own where one is given."""
        self.guest = guest.start(
            self.folder,
            self.network,
            HERE / "node-init.sh",
            f"ubd0={disk or self.disk}",
            f"vec0:transport=tap,ifname={TAP},depth=128,gro=0",
            f"SHARED={self.shared}",
            f"ADDRESS={ADDRESS}/24",
            memory="128M",
        )
        self.guest.await_line("node is up")
        with kernel.inside(self.network):
            _await_port(ADDRESS, 22)

    def cut_power(self) -> None:
        """``kill -9`` of the whole machine; what it had not written to its disk is lost."""
        if self.guest is not None:
            self.guest.kill()
            self.guest = None

    def svcform(self, *arguments: str) -> Said:
        """Run svcform in the node's project, as its operator does."""
        running = self.start_svcform(*arguments)
        out, _ = running.communicate(timeout=600)
        return Said(running.returncode, out, "")

    def start_svcform(self, *arguments: str) -> subprocess.Popen[str]:
        """As :meth:`svcform`, but go on while it runs."""
        with kernel.inside(self.network):
            return subprocess.Popen(
                [sys.executable, "-m", "svcform", *arguments],
                cwd=self.project.path,
                env={"PATH": os.environ["PATH"], "HOME": str(self.folder), "LC_ALL": "C.UTF-8"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )

    def ssh(self, script: str, *, check: bool = True) -> str:
        """Run a script on the node; its standard output."""
        with kernel.inside(self.network):
            done = subprocess.run(
                [*self._ssh(), "sh -s"], input=script, capture_output=True, text=True, check=False
            )
        assert not check or done.returncode == 0, f"{script}: {done.stdout}{done.stderr}"
        return done.stdout

    def _ssh(self) -> Sequence[str]:
        options = {
            "BatchMode": "yes",
            "UserKnownHostsFile": self.project.path / "known_hosts",
            "IdentityFile": self.home / "id_ed25519",
            "IdentitiesOnly": "yes",
        }
        words = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
        return ["ssh", "-F", "none", *words, f"root@{ADDRESS}"]


@contextlib.contextmanager
def new_node(folder: Path) -> Iterator[UmlNode]:
    """A node that is off, with its disk and its project; it is gone afterwards."""
    with _machine(folder, folder) as node:
        (node.shared / "programs").mkdir(parents=True)
        shutil.copy(guest.busybox(), node.shared / "programs/busybox")
        for applet in APPLETS:
            (node.shared / "programs" / applet).symlink_to("busybox")
        host_key = _make_disk(node)
        _write_project(node, host_key)
        yield node


@contextlib.contextmanager
def new_twin(node: UmlNode, folder: Path) -> Iterator[UmlNode]:
    """Another machine for copies of a node's disk, in a network of its own."""
    folder.mkdir()
    with _machine(folder, node.home) as twin:
        yield twin


@contextlib.contextmanager
def _machine(folder: Path, home: Path) -> Iterator[UmlNode]:
    own = kernel.new_network()
    node = UmlNode(folder, own, home)
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, own)
        stack.callback(node.cut_power)
        network.ip(own, _links())
        yield node


def _await_port(address: str, port: int) -> None:
    limit = time.monotonic() + 60
    while True:
        try:
            socket.create_connection((address, port), timeout=1).close()
        except OSError:
            assert time.monotonic() < limit, f"Nobody listens on {address}:{port}."
            time.sleep(0.02)
        else:
            return


def _links() -> list[str]:
    pods = [f"address add {endpoint}/32 dev lo" for endpoint in ENDPOINTS]
    return [
        "link set lo up",
        f"tuntap add {TAP} mode tap",
        f"link set {TAP} {guest.NO_GSO} up",
        f"address add {CONTROLLER}/24 dev {TAP}",
        *pods,
    ]


def _make_disk(node: UmlNode) -> str:
    """The node's disk, with an sshd's keys and iptables-legacy; returns the host key."""
    tree = node.folder / "disk"
    machine.make_disk(tree, NAME)
    client = sshd.make_key(node.folder / "id_ed25519", "controller")
    host_key = sshd.prepare(tree, NodeSpec(name=NAME, user="root"), client)
    config = tree / "etc/ssh/sshd_config"
    path = f"PATH={PROGRAMS}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
    config.write_text(config.read_text().replace("SetEnv ", f"SetEnv {path} "))
    passwd = tree / "etc/passwd"
    passwd.write_text(passwd.read_text().replace("/bin/bash", "/bin/sh"))
    # Its kernel has no nftables for IP.
    for tool in ("iptables", "ip6tables"):
        for suffix in ("", "-restore", "-save"):
            link = tree / f"etc/alternatives/{tool}{suffix}"
            link.unlink(missing_ok=True)
            link.symlink_to(f"/usr/sbin/{tool}-legacy{suffix}")
    command = ["mkfs.ext4", "-q", "-d", str(tree), str(node.disk), "96M"]
    subprocess.run(command, check=True, capture_output=True)
    shutil.rmtree(tree)
    return host_key


def _write_project(node: UmlNode, host_key: str) -> None:
    node.project.path.mkdir()
    (node.project.path / "known_hosts").write_text(f"{ADDRESS} {host_key}\n")
    place(node, 1)


def place(node: UmlNode, count: int, *, node_port: bool = True) -> None:
    """Write the node's project, with so many endpoints of its Service."""
    variables = {
        "ansible_host": ADDRESS,
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(node.home / "id_ed25519"),
        "pod_cidrs": ["10.244.1.0/24"],
        "node_ip": ADDRESS,
    }
    node.project.write(
        {"all": {"hosts": {NAME: variables}}},
        [f"{endpoint}@{NAME}" for endpoint in ENDPOINTS[:count]],
        masquerade_all=True,
    )
    services = node.project.path / "services/web.yml"
    text = services.read_text().replace("replicas: 3", f"replicas: {count}")
    services.write_text(text if node_port else text.replace("  type: NodePort\n", ""))
