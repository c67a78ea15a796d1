"""Nodes whose init is the machine's own systemd, the way a container boots it.

What systemd wants of a container: https://systemd.io/CONTAINER_INTERFACE/ (a cgroup of its own, a
read-only /proc/sys but for the network's, ``container=`` in its environment).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import NoReturn

from svcform.errors import LabError
from svcform.lab import kernel
from svcform.lab.kernel import Mount, Namespace

_INIT = Path("/usr/lib/systemd/systemd")
_UNITS = Path("/usr/lib/systemd/system")
#: What is started of all that the distribution's targets want; the rest is the host's business.
_WANTED = frozenset({
    "dbus.service",
    "dbus.socket",
    "systemd-journald.service",
    "systemd-journald.socket",
    "systemd-journald-dev-log.socket",
    "systemd-logind.service",
    "systemd-user-sessions.service",
})  # fmt: skip
#: What would start or mount what is the host's.
_OF_THE_HOST = ("etc/systemd", "etc/rc*.d", "etc/rc.local", "etc/fstab", "etc/crypttab")
_PAM = """\
auth required pam_deny.so
account required pam_unix.so
session required pam_unix.so
session required pam_systemd.so
"""
#: In place of networking.service or systemd-networkd: a node's links are there before it boots.
_NETWORK = """\
[Unit]
Description=The lab's wires
DefaultDependencies=no
Conflicts=shutdown.target
Wants=network.target network-online.target
After=local-fs.target network-pre.target
Before=network.target network-online.target shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
"""
_READY = frozenset({"running", "degraded"})


def find_systemd() -> Path:
    """The path of systemd on this machine.  Raises :class:`LabError` where there is none."""
    if not _INIT.exists():
        raise LabError("A lab's node with init=systemd needs systemd on this machine: install it.")
    return _INIT


def prepare(disk: Path, packages: Path | None) -> None:
    """Let systemd be a machine's init: journal, D-Bus, logind and sshd are started, no more.

    The files in /etc of unpacked ``packages`` are put on the disk; their units are not enabled.
    """
    find_systemd()
    units = disk / "etc/systemd/system"
    for pattern in _OF_THE_HOST:
        for path in disk.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    (units / "multi-user.target.wants").mkdir(parents=True)
    (units / "default.target").symlink_to(_UNITS / "multi-user.target")
    for unit in {e.name for e in _UNITS.glob("*.wants/*") if e.suffix != ".target"} - _WANTED:
        (units / unit).symlink_to("/dev/null")
    name = next((n for n in ("ssh.service", "sshd.service") if (_UNITS / n).exists()), None)
    if name is None:
        raise LabError("A lab's node with init=systemd needs OpenSSH's unit: install its server.")
    (units / "multi-user.target.wants" / name).symlink_to(_UNITS / name)
    (units / "lab-network.service").write_text(_NETWORK)
    (units / "multi-user.target.wants/lab-network.service").symlink_to("../lab-network.service")
    config = disk / "etc/ssh/sshd_config"
    config.write_text(config.read_text().replace("UsePAM no", "UsePAM yes"))
    (disk / "etc/pam.d/sshd").write_text(_PAM)
    (disk / "var/log/journal").mkdir()
    if packages is not None and (packages / "etc").is_dir():
        for link in filter(Path.is_symlink, (packages / "etc").rglob("*")):
            # Of a package that this machine has, too: a link is not copied over another one.
            (disk / link.relative_to(packages)).unlink(missing_ok=True)
        shutil.copytree(packages / "etc", disk / "etc", symlinks=True, dirs_exist_ok=True)


def cgroup_name(directory: Path, node: str) -> str:
    """The name of a node's control group; ``directory`` is the lab's."""
    return f"{_prefix(directory)}{node}"


def _prefix(directory: Path) -> str:
    return f"svcf-lab-{hashlib.sha256(os.fsencode(directory)).hexdigest()[:12]}-"


def enter_cgroup(root: Path, name: str) -> None:
    """Give the calling process a control group of its own, at the top of what it sees.

    ``root`` is the machine's root to be, with /proc and /sys.
    """
    target = root / "sys/fs/cgroup"
    kernel.mount("cgroup2", target, "cgroup2")
    own = target / name
    own.mkdir(exist_ok=True)
    (own / "cgroup.procs").write_text("0")
    kernel.unshare(Namespace.CGROUP)
    kernel.unmount(target)
    kernel.mount("cgroup2", target, "cgroup2", Mount.NO_SUID | Mount.NO_DEV | Mount.NO_EXEC)


def protect_settings(root: Path) -> None:
    """Make the host's settings unchangeable; those of the machine's network are its own."""
    kernel.bind(root / "proc/sys", root / "proc/sys", read_only=True)
    if (root / "proc/sysrq-trigger").exists():
        kernel.bind(Path("/dev/null"), root / "proc/sysrq-trigger")
    kernel.mount("proc", root / "mnt", "proc")
    kernel.bind(root / "mnt/sys/net", root / "proc/sys/net")
    kernel.unmount(root / "mnt")


def execute() -> NoReturn:
    """Become systemd."""
    environment = {"container": "svcform-lab", "PATH": os.environ["PATH"]}
    null = os.open("/dev/null", os.O_RDWR)
    for descriptor in range(3):
        os.dup2(null, descriptor)
    os.execve(_INIT, ["/sbin/init"], environment)  # noqa: S606 - that is what an init does


def await_boot(enter: list[str], name: str) -> None:
    """Wait until a machine has booted; ``enter`` is the command line that leads into it.

    Raises :class:`LabError` where that takes more than two minutes.
    """
    limit = time.monotonic() + 120
    command = [*enter, "systemctl", "is-system-running", "--wait"]
    while True:
        left = max(limit - time.monotonic(), 1)
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=left
            )
        except subprocess.TimeoutExpired:
            raise LabError(
                f"systemd never ends to boot the lab's {name}: {_jobs(enter)}."
            ) from None
        if done.stdout.strip() in _READY:
            return
        if time.monotonic() > limit:
            said = (done.stdout + done.stderr).strip()
            raise LabError(f"systemd does not come up on the lab's {name}: {said}.")
        time.sleep(0.05)


def _jobs(enter: list[str]) -> str:
    """What systemd still waits for."""
    command = [*enter, "systemctl", "list-jobs", "--no-legend", "--plain"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    return ", ".join(line.split()[1] for line in done.stdout.splitlines())


def remove_cgroups(directory: Path) -> None:
    """Remove the control groups of a lab's nodes, and end what still runs in them.

    Raises :class:`LabError` where something does not end.
    """
    for mount in Path("/proc/self/mounts").read_text().splitlines():
        _, target, kind, *_ = mount.split()
        if kind == "cgroup2":
            for group in Path(target).glob(f"{_prefix(directory)}*"):
                _remove(group)
            return


def _remove(group: Path) -> None:
    (group / "cgroup.kill").write_text("1")
    limit = time.monotonic() + 60
    while "populated 0" not in (group / "cgroup.events").read_text():
        if time.monotonic() > limit:
            raise LabError(f"Processes in the control group {group.name} do not end.")
        time.sleep(0.01)
    for folder, _, _ in os.walk(group, topdown=False):
        Path(folder).rmdir()
