"""Real sshds on loopback, in a mount namespace with users, sudoers and doas.conf of their own."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from svcform.model.node import Connection
from svcform.transport.options import SshOptions

PASSWORD = "it's a \\ secret! $x"
#: Login shells; those without a slash are made of these lines.
SHELLS = {
    "noisy": 'echo "Welcome, traveller!"; echo warning >&2; printf "no newline"',
    "bare": "PATH={directory}/bin",
    "none": "/usr/sbin/nologin",
}
USERS = (
    "free",  # sudo and doas without a password
    "asked",  # sudo and doas with one
    "tty",  # sudo with a password and requiretty
    "ttyfree",  # requiretty without a password
    "pty",  # sudo with a password and use_pty
    "stranger",  # neither sudo nor doas
    *SHELLS,
)
SUDOERS = """
Defaults env_reset
Defaults secure_path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
Defaults:tty,ttyfree requiretty
Defaults:pty use_pty
asked,tty,pty,noisy ALL=(ALL) ALL
free,ttyfree ALL=(ALL) NOPASSWD: ALL
"""
DOAS = "permit nopass free\npermit asked\n"


def available() -> bool:
    return all(shutil.which(tool) for tool in ("/usr/sbin/sshd", "sudo", "doas", "unshare"))


def run(*command: str | Path, **options: object) -> str:
    done = subprocess.run(command, check=True, capture_output=True, text=True, **options)  # type: ignore[call-overload]
    return str(done.stdout)


def make_key(path: Path, kind: str = "ed25519", passphrase: str = "") -> Path:
    run("ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", path.name, "-f", path)
    return path


def public(path: Path) -> str:
    """Type and key, without the comment."""
    return " ".join(path.with_name(path.name + ".pub").read_text().split()[:2])


@dataclass
class Sshd:
    """A running sshd; ``directory`` holds its keys, ``id`` is a key that every user accepts."""

    directory: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def id(self) -> Path:
        return self.directory / "id"

    @property
    def name(self) -> str:
        return f"[127.0.0.1]:{self.port}"

    def line(self, kind: str = "ed25519") -> str:
        return f"{self.name} {public(self.directory / f'host_{kind}')}\n"

    def pins(self, text: str | None = None) -> SshOptions:
        """Options whose pinned file holds this text, and that read no ssh_config."""
        path = self.directory / f"pins-{time.monotonic_ns()}"
        path.write_text(self.line() if text is None else text)
        return SshOptions(pinned_known_hosts=path, config_files=(), node="edge-1")

    def connection(self, user: str = "free", **more: object) -> Connection:
        defaults: dict[str, object] = {
            "host": "127.0.0.1",
            "port": self.port,
            "user": user,
            "private_key_file": str(self.id),
            # nothing of the machine's own files must decide a test
            "ssh_common_args": "-o UserKnownHostsFile=none -o GlobalKnownHostsFile=none",
        }
        return Connection(**(defaults | more))  # type: ignore[arg-type]

    def become(self, user: str, password: str | None = None, **more: object) -> Connection:
        return self.connection(user, become=True, become_password=password, **more)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=60)


def start(directory: Path, kinds: tuple[str, ...] = ("ed25519",), extra: str = "") -> Sshd:
    """Start an sshd on a free port of loopback; ``extra`` lines of its configuration win."""
    directory.chmod(0o755)
    for kind in kinds:
        make_key(directory / f"host_{kind}", kind)
    make_key(directory / "id")
    (directory / "authorized_keys").write_text(public(directory / "id") + "\n")
    _etc(directory)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = directory / "sshd_config"
    config.write_text(
        f"{extra}ListenAddress 127.0.0.1:{port}\nListenAddress [::1]:{port}\n"
        f"AuthorizedKeysFile {directory}/authorized_keys\n"
        + "".join(f"HostKey {directory}/host_{kind}\n" for kind in kinds)
        + "PidFile none\nStrictModes no\nUsePAM no\nMaxStartups 500\nSetEnv SHLVL=2\n"
    )
    script = (
        f"mount --bind {directory}/etc /etc && mount -t tmpfs tmpfs /run && mkdir /run/sshd"
        f" && exec /usr/sbin/sshd -D -e -f {config} 2>{directory}/log"
    )
    process = subprocess.Popen(["unshare", "--mount", "sh", "-ec", script])
    sshd = Sshd(directory, port, process)
    _wait(sshd)
    return sshd


def _wait(sshd: Sshd) -> None:
    for _ in range(3000):
        try:
            socket.create_connection(("127.0.0.1", sshd.port), timeout=1).close()
        except OSError:
            assert sshd.process.poll() is None, (sshd.directory / "log").read_text()
            time.sleep(0.02)
        else:
            return
    raise AssertionError("sshd didn't start")


def _etc(directory: Path) -> None:
    """A copy of /etc that the namespace gets in its place, with the tests' users."""
    etc = directory / "etc"
    shutil.copytree("/etc", etc, symlinks=True)
    hashed = run("openssl", "passwd", "-6", "-stdin", input=PASSWORD).strip()
    (directory / "bin").mkdir()
    (directory / "bin/sh").symlink_to("/bin/sh")
    with (etc / "passwd").open("a") as passwd, (etc / "shadow").open("a") as shadow:
        for number, user in enumerate(USERS, 61000):
            shell = _shell(directory, SHELLS.get(user, "/bin/sh"), user)
            passwd.write(f"{user}:x:{number}:{number}::/tmp:{shell}\n")
            shadow.write(f"{user}:{hashed}:19000:0:99999:7:::\n")
    for name, text in {"sudoers": SUDOERS, "doas.conf": DOAS}.items():
        (etc / name).unlink(missing_ok=True)
        (etc / name).write_text(text)
        (etc / name).chmod(0o440)


def _shell(directory: Path, what: str, user: str) -> str:
    if what.startswith("/"):
        return what
    path = directory / f"{user}-shell"
    path.write_text(f'#!/bin/sh\n{what.format(directory=directory)}\nexec /bin/sh "$@"\n')
    path.chmod(0o755)
    return str(path)
