"""A node's machine: a file system and processes of its own on the host's read-only programs.

Its init is forked from the supervisor, in a process-id namespace of its own, so the kernel ends all
that runs on the node, detached runners too, when the supervisor goes, however it goes.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from svcform.errors import LabError
from svcform.lab import kernel, systemd
from svcform.lab.kernel import Mount, Namespace

_SYSTEM = frozenset({"bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr", "opt", "nix", "gnu"})
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_STATE = ("var/lib/svcform", "var/log", "var/tmp", "var/cache", "var/lib/sudo", "var/empty", "root")


def make_disk(disk: Path, name: str) -> None:
    """Make the writable part of a machine: copies of /etc, an empty /var, homes.

    The machine has its own machine-id, host name and SSH folder; nothing of svcform's.
    """
    disk.mkdir()
    # Without root some files of /etc can't be read (shadow, sudoers): the node does without them.
    subprocess.run(["cp", "-a", "/etc", str(disk / "etc")], capture_output=True, check=False)
    (disk / "etc").chmod(0o755)
    for folder in (*_STATE, "home", "etc/svcform"):
        (disk / folder).mkdir(parents=True, exist_ok=True)
    (disk / "var/tmp").chmod(0o1777)
    (disk / "var/run").symlink_to("/run")
    replace(disk / "etc/machine-id", uuid.uuid4().hex + "\n")
    replace(disk / "etc/hostname", f"{name}\n")
    replace(disk / "etc/hosts", f"127.0.0.1 localhost\n::1 localhost\n127.0.1.1 {name}\n")


def replace(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file in place of whatever is there, also of a link or a read-only file."""
    path.unlink(missing_ok=True)
    path.write_text(text)
    path.chmod(mode)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What a machine is started from.

    ``network`` is the descriptor of its network namespace, ``hide`` programs of the host that it
    doesn't have, ``packages`` a folder with unpacked packages that it has beside the host's
    programs.  With ``cgroup``, the name of its control group, its init is systemd.
    """

    disk: Path
    name: str
    network: int
    hide: tuple[Path, ...] = ()
    packages: Path | None = None
    cgroup: str = ""


def boot(machine: Machine) -> int:
    """Start a machine; returns the process id of its init once its file system is there.

    Raises :class:`LabError` where the kernel or the host's policy forbids it.
    """
    ready, report = os.pipe2(os.O_CLOEXEC)
    if os.fork() == 0:
        _become_keeper(machine, report)
    os.close(report)
    with os.fdopen(ready) as stream:
        pid, _, problem = stream.read().partition(" ")
    if problem or not pid:
        raise LabError(f"The node {machine.name} can't be started on this machine: {problem}.")
    return int(pid)


def cut_power(init: int) -> None:
    """End a machine at once, whatever it does; returns when none of its processes is left."""
    status = Path(f"/proc/{init}/status").read_text()
    keeper = int(status.partition("PPid:")[2].split()[0])
    os.kill(init, signal.SIGKILL)
    os.waitpid(keeper, 0)


def _become_keeper(machine: Machine, report: int) -> NoReturn:
    """Fork the init into new process ids, and wait for its end.

    An ordinary user's process can't come back from ``unshare(CLONE_NEWPID)``, so it is this one
    that goes there, and not the supervisor.
    """
    try:
        kernel.die_with_parent()
        kernel.unshare(Namespace.PID)
        pid = os.fork()
        if pid == 0:
            _become_init(machine, report)
        os.write(report, f"{pid} ".encode())
        _close_inherited()
        os.waitpid(pid, 0)
    except BaseException as error:  # noqa: BLE001 - a fork must not unwind into its parent's code
        os.write(report, f" {error}".encode())
    finally:
        os._exit(1)


def _become_init(machine: Machine, report: int) -> NoReturn:
    """The life of a machine's init; never returns into the supervisor's code."""
    try:
        kernel.die_with_parent()
        os.setsid()
        _enter_machine(machine)
        if machine.cgroup:
            systemd.execute()
        _live()
    except BaseException as error:  # noqa: BLE001 - see above
        os.write(report, f" {error}".encode())
    finally:
        os._exit(1)


def _live() -> NoReturn:
    """Be an init that keeps the syslog."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The kernel collects the dead (wait(2)): a zombie would look alive to a lock's owner check.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    syslog = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    syslog.bind("/dev/log")
    Path("/dev/log").chmod(0o666)
    _close_inherited(keep=syslog.fileno())
    _keep_syslog(syslog)


def _close_inherited(keep: int = -1) -> None:
    for entry in list(Path("/proc/self/fd").iterdir()):
        descriptor = int(entry.name)
        if descriptor > 2 and descriptor != keep:
            try:
                os.close(descriptor)
            except OSError:
                continue  # the directory listing's own


def _keep_syslog(syslog: socket.socket) -> NoReturn:
    """Be the machine's syslog for ever."""
    with Path("/var/log/syslog").open("ab", buffering=0) as log:
        while True:
            log.write(syslog.recv(65536).rstrip(b"\n\0") + b"\n")


def _enter_machine(machine: Machine) -> None:
    disk = machine.disk
    kernel.enter(machine.network, Namespace.NET)
    kernel.unshare(Namespace.MOUNT | Namespace.UTS | Namespace.IPC)
    kernel.set_host_name(machine.name)
    kernel.mount("", Path("/"), "", Mount.RECURSIVE | Mount.PRIVATE)
    root = disk / "root-of-machine"
    root.mkdir(exist_ok=True)
    kernel.mount("svcf-lab", root, "tmpfs", data="mode=755")
    _show_programs(root)
    for folder in ("etc", "var", "root", "home"):
        (root / folder).mkdir()
        kernel.bind(disk / folder, root / folder)
    _mount_kernel_file_systems(root)
    if machine.cgroup:
        systemd.enter_cgroup(root, machine.cgroup)
        systemd.protect_settings(root)
    _give_boot_id(root)
    _hide(root, machine.hide)
    if machine.packages is not None:
        layers = f"lowerdir={machine.packages}/usr:/usr"
        kernel.mount("overlay", root / "usr", "overlay", Mount.READ_ONLY, layers)
    kernel.change_root(root)


def _show_programs(root: Path) -> None:
    for entry in Path("/").iterdir():
        if entry.name not in _SYSTEM:
            continue
        target = root / entry.name
        if entry.is_symlink():
            target.symlink_to(entry.readlink())
        else:
            target.mkdir()
            kernel.bind(entry, target, read_only=True)


def _mount_kernel_file_systems(root: Path) -> None:
    for folder in ("proc", "sys", "dev", "run", "tmp", "mnt"):
        (root / folder).mkdir()
    quiet = Mount.NO_SUID | Mount.NO_DEV | Mount.NO_EXEC
    kernel.mount("proc", root / "proc", "proc", quiet)
    kernel.mount("sysfs", root / "sys", "sysfs", quiet)
    kernel.mount("tmpfs", root / "run", "tmpfs", Mount.NO_SUID | Mount.NO_DEV, "mode=755")
    kernel.mount("tmpfs", root / "tmp", "tmpfs", Mount.NO_SUID | Mount.NO_DEV, "mode=1777")
    (root / "run/sshd").mkdir(mode=0o755)
    (root / "run/lock").mkdir()
    _make_devices(root / "dev")


def _make_devices(dev: Path) -> None:
    kernel.mount("tmpfs", dev, "tmpfs", data="mode=755")
    for name in _DEVICES:
        (dev / name).touch()
        kernel.bind(Path("/dev") / name, dev / name)
    (dev / "pts").mkdir()
    (dev / "shm").mkdir(mode=0o1777)
    kernel.mount("devpts", dev / "pts", "devpts", data="newinstance,ptmxmode=0666,mode=620")
    (dev / "ptmx").symlink_to("pts/ptmx")
    for name, target in (("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        (dev / name).symlink_to(f"/proc/self/{target}")


def _give_boot_id(root: Path) -> None:
    """Let each boot of a machine have a boot id of its own, as a real one has."""
    path = root / "run/.boot_id"
    path.write_text(f"{uuid.uuid4()}\n")
    kernel.bind(path, root / "proc/sys/kernel/random/boot_id")


def _hide(root: Path, programs: Sequence[Path]) -> None:
    """Take programs away: each of their directories is overlaid once, and they are deleted there.

    Overlays on overlays end at a depth of two (kernel: ``FILESYSTEM_MAX_STACK_DEPTH``).
    """
    folders: dict[Path, list[str]] = {}
    for program in programs:
        folder = (root / program.parent.relative_to("/")).resolve()
        folders.setdefault(folder, []).append(program.name)
    for number, (folder, names) in enumerate(folders.items()):
        store = root.parent / f"hidden-{number}"
        upper, work = store / "upper", store / "work"
        for path in (upper, work):
            path.mkdir(parents=True, exist_ok=True)
        layers = f"lowerdir={folder},upperdir={upper},workdir={work}"
        kernel.mount("overlay", folder, "overlay", data=layers)
        for name in names:
            (folder / name).unlink(missing_ok=True)
