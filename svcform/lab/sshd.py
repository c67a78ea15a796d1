"""A node's sshd, its users and its keys."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from svcform.errors import LabError
from svcform.lab.machine import replace
from svcform.lab.spec import NodeSpec

# SHLVL=2 keeps bash from reading ~/.bashrc as it does under sshd (shell.c, run_startup_files).
_CONFIG = """\
Port 22
HostKey /etc/ssh/ssh_host_ed25519_key
AuthorizedKeysFile /etc/ssh/authorized_keys
StrictModes no
UsePAM no
UseDNS no
PermitRootLogin yes
PasswordAuthentication yes
KbdInteractiveAuthentication no
PrintMotd no
PrintLastLog no
MaxStartups 500
MaxSessions 500
PidFile /run/sshd.pid
SetEnv SHLVL=2
Subsystem sftp internal-sftp
"""

_SUDO_DEFAULTS = """\
Defaults env_reset
Defaults secure_path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""


def find_sshd() -> str:
    """The path of sshd on this machine.  Raises :class:`LabError` where there is none."""
    found = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin:/sbin")
    if found is None:
        raise LabError("The lab's nodes need sshd: install openssh-server, or use --embedded.")
    return found


def make_key(path: Path, comment: str) -> str:
    """Make an Ed25519 key pair; returns the public part, ``ssh-ed25519 AAAA…``."""
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    return " ".join(path.with_name(path.name + ".pub").read_text().split()[:2])


def prepare(disk: Path, node: NodeSpec, client_key: str) -> str:
    """Give a machine's disk an SSH server and a user; returns the host's public key."""
    ssh = disk / "etc/ssh"
    shutil.rmtree(ssh, ignore_errors=True)
    ssh.mkdir()
    replace(ssh / "sshd_config", _CONFIG)
    replace(ssh / "authorized_keys", client_key + "\n")
    _add_user(disk, node)
    return make_key(ssh / "ssh_host_ed25519_key", node.name)


def _add_user(disk: Path, node: NodeSpec) -> None:
    password = _hash(node.become_password) if node.become_password is not None else "*"
    if node.user != "root":
        _append(disk / "etc/passwd", f"{node.user}:x:1500:1500::/home/{node.user}:/bin/sh")
        _append(disk / "etc/group", f"{node.user}:x:1500:")
        _append(disk / "etc/shadow", f"{node.user}:{password}:19000:0:99999:7:::")
        home = disk / "home" / node.user
        home.mkdir(exist_ok=True)
        shutil.chown(home, 1500, 1500)
    free = "NOPASSWD: " if node.become_password is None else ""
    rules = f"{_SUDO_DEFAULTS}root ALL=(ALL) ALL\n{node.user} ALL=(ALL) {free}ALL\n"
    replace(disk / "etc/sudoers", rules, 0o440)
    nopass = "nopass " if node.become_password is None else ""
    replace(disk / "etc/doas.conf", f"permit {nopass}{node.user}\n", 0o400)


def _append(path: Path, line: str) -> None:
    with path.open("a") as file:
        file.write(line + "\n")


def _hash(password: str) -> str:
    done = subprocess.run(
        ["openssl", "passwd", "-6", "-stdin"],
        input=password + "\n",
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()
