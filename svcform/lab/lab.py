"""Labs: bring one up, look at it, take it down."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from svcform.errors import LabError
from svcform.lab.control import tell
from svcform.lab.inventory import write_known_hosts
from svcform.lab.network import node_port
from svcform.lab.spec import CLIENT_KEY, CONTROL, INVENTORY, STATE, LabSpec, to_json
from svcform.lab.systemd import remove_cgroups

_FILES = (
    STATE,
    f"{STATE}.new",
    "lab.log",
    INVENTORY,
    f"{INVENTORY}.new",
    CONTROL,
    "known_hosts",
    CLIENT_KEY,
    f"{CLIENT_KEY}.pub",
    "svcform.lock.yml",
)
#: The root, too: in a chroot the mount namespace's own root is the machine outside of it.
_MACHINE = ("--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd")
_MODULE = "svcform.lab.supervisor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """A running lab.  ``state`` is what the supervisor wrote: process ids, ports, addresses.

    A reboot changes the node's process id in it.
    """

    directory: Path
    state: Mapping[str, Any] = field(repr=False)

    def inventory(self) -> Path:
        """The inventory that ``svcform plan -i`` takes."""
        return self.directory / INVENTORY

    def names(self) -> tuple[str, ...]:
        """Everything a command can be run in: nodes, endpoints, client, controller, fabric."""
        return tuple(self.state["networks"])

    def addresses(self, name: str) -> tuple[str, ...]:
        """The addresses of a node or an endpoint, IPv4 first."""
        place = self.state["nodes"].get(name) or self.state["endpoints"][name]
        return tuple(place["addresses"])

    def reboot(self, node: str) -> None:
        """Cut a node's power and boot it again; returns once its sshd serves.

        The disk stays: /etc, /var, homes.  All else is new: processes, the boot id, /run, /tmp, and
        what its kernel knew (rules, sets, sysctls, links, routes, connections).  svcform's boot
        scripts run before sshd does.  Raises LabError where it does not come up.
        """
        tell(self.directory, "reboot", self._known(node))
        fresh = json.loads((self.directory / STATE).read_text())
        self.state["nodes"][node].update(fresh["nodes"][node])

    def cut(self, node: str) -> None:
        """Cut the wire between a node and the bridge, both ways; the node's link stays up."""
        self._set_port(node, "disabled")

    def mend(self, node: str) -> None:
        """The opposite of :meth:`cut`."""
        self._set_port(node, "forwarding")

    def _set_port(self, node: str, state: str) -> None:
        port = node_port(1 + list(self.state["nodes"]).index(self._known(node)))
        done = self.run("fabric", ["bridge", "link", "set", "dev", port, "state", state])
        if done.returncode != 0:
            raise LabError(f"The wire of {node} can't be set: {done.stderr.decode().strip()}.")

    def _known(self, node: str) -> str:
        if node not in self.state["nodes"]:
            raise LabError(f"The lab has no node {node}; it has {', '.join(self.state['nodes'])}.")
        return node

    def command(self, name: str, argv: Sequence[str], *, machine: bool = True) -> list[str]:
        """The argument vector that runs ``argv`` in a place of the lab.

        A node has a machine of its own; the other places share this one's files, and so does a
        node with ``machine`` False: only the network is the node's then.
        """
        user = ["--user", "--preserve-credentials"] if self.state["user_namespace"] else []
        if machine and name in self.state["nodes"]:
            pid = self.state["nodes"][name]["pid"]
            return ["nsenter", f"--target={pid}", *user, *_MACHINE, *argv]
        if name not in self.state["networks"]:
            known = ", ".join(self.names())
            raise LabError(f"The lab has no {name}; it has {known}.")
        pid = self.state["pid"]
        network = f"/proc/{pid}/fd/{self.state['networks'][name]}"
        return ["nsenter", f"--target={pid}", *user, f"--net={network}", *argv]

    def run(
        self,
        name: str,
        argv: Sequence[str],
        *,
        given: bytes = b"",
        timeout: float = 300,
        machine: bool = True,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command in a place of the lab (see :meth:`command`), both streams captured."""
        return subprocess.run(
            self.command(name, argv, machine=machine),
            input=given,
            capture_output=True,
            timeout=timeout,
            check=False,
        )


def up(spec: LabSpec) -> Lab:
    """Build a lab and leave it running; returns once everything in it answers.

    Raises :class:`LabError` where one is there already, or this machine can't carry it.
    """
    directory = spec.directory.absolute()
    if _supervisors(directory):
        raise LabError(f"A lab is already up in {directory}; take it down first: svcform lab down.")
    _remove_files(directory)
    directory.mkdir(parents=True, exist_ok=True)
    try:
        _start(spec, directory)
        lab = Lab(directory=directory, state=json.loads((directory / STATE).read_text()))
        _write_files(spec, lab)
    except BaseException:
        down(directory)
        raise
    return lab


def _start(spec: LabSpec, directory: Path) -> None:
    given = json.dumps({**to_json(spec), "directory": str(directory)})
    with (directory / "lab.log").open("wb") as log:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", _MODULE, str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd="/",
            env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
            start_new_session=True,
        )
    with supervisor.stdin as stdin, supervisor.stdout as stdout:  # type: ignore[union-attr] # both are pipes
        stdin.write(given)
        stdin.close()
        answer = stdout.readline()
    if answer != "\n":
        log_text = (directory / "lab.log").read_text().strip().splitlines()
        raise LabError(answer.strip() or "The lab's supervisor died: " + (log_text or [""])[-1])
    # Nobody waits for it: it outlives this process, and its own parent may be long-lived.
    supervisor.returncode = 0


def _write_files(spec: LabSpec, lab: Lab) -> None:
    (lab.directory / "known_hosts").write_text(write_known_hosts(spec, lab.state))


def status(directory: Path) -> Lab | None:
    """The lab that runs in a folder, or None."""
    directory = directory.absolute()
    if not _supervisors(directory) or not (directory / STATE).is_file():
        return None
    return Lab(directory=directory, state=json.loads((directory / STATE).read_text()))


def down(directory: Path) -> bool:
    """Take a lab down, also what a crash left of it; whether there was anything.

    Raises :class:`LabError` where something of it does not go.
    """
    directory = directory.absolute()
    ends: set[int] = set()
    limit = time.monotonic() + 60
    # A lab that is being built has new processes while those that were found end.
    while any(_is_alive(pid) for pid in ends) or _supervisors(directory):
        for pid in _supervisors(directory):
            ends |= {pid, *_descendants(pid)}
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > limit:
            raise LabError(f"Processes of the lab in {directory} do not end: {sorted(ends)}.")
        time.sleep(0.01)
    remove_cgroups(directory)
    return _remove_files(directory) or bool(ends)


def _supervisors(directory: Path) -> list[int]:
    """Processes that are the supervisor of a lab, or the init of one of its nodes."""
    wanted = [b"-m", _MODULE.encode(), os.fsencode(directory)]
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")[:-1]
        except OSError:
            continue
        if words[-3:] == wanted:
            found.append(int(path.parent.name))
    return sorted(found)


def _descendants(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [found for child in children for found in (int(child), *_descendants(int(child)))]


def _is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie that nobody has collected yet doesn't."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _remove_files(directory: Path) -> bool:
    present = [directory / name for name in _FILES if (directory / name).exists()]
    for path in present:
        path.unlink()
    machines = directory / "machines"
    if machines.is_dir():
        shutil.rmtree(machines)
        present.append(machines)
    if directory.is_dir() and not any(directory.iterdir()):
        directory.rmdir()
    return bool(present)
