"""A user-mode Linux guest: a kernel of its own, that runs as ordinary processes of this machine.

Its programs are this machine's, read-only through hostfs; what it writes goes where its init
mounts something.  It sees the network of one namespace, through a tap device.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from svcform.lab import kernel

HERE = Path(__file__).parent
TAP = "tap0"
#: For links to guests: they drop what TCP hands over in one piece (``gro=0``), and get it later.
NO_GSO = "gso_max_segs 1"
_MODULES = Path("/usr/lib/uml/modules")
#: The same, and what ``.ci/uml-nftables`` has built.
_BUILT = Path(sys.prefix) / "uml-modules"
#: Debian's modules lie where modprobe doesn't look; in a mount namespace of its own the guest finds
#: them where they belong.  Its memory is a file in /dev/shm, which may be small or not executable.
_ENTER = """
mount -t tmpfs -o mode=1777 shm /dev/shm
mount -t overlay -o "lowerdir=$1:/usr/lib" modules /usr/lib
mount --bind "$2" /usr/lib/modules
shift 2
exec "$@"
"""
_PATIENCE = 300.0


@dataclass(frozen=True, slots=True)
class Guest:
    """A guest that was started; ``console`` is what its kernel and its init print."""

    process: subprocess.Popen[bytes]
    console: Path

    def await_line(self, line: str, seconds: float = _PATIENCE) -> None:
        """Wait until the console shows a line; fails with the console's end where it doesn't."""
        limit = time.monotonic() + seconds
        while line not in self._lines():
            if self.process.poll() is not None or time.monotonic() > limit:
                text = "\n".join(self._lines()[-30:])
                pytest.fail(f"The guest did not say {line!r}:\n{text}")
            time.sleep(0.02)

    def await_end(self, seconds: float) -> None:
        """Wait until the guest has halted by itself."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            text = "\n".join(self._lines()[-30:])
            pytest.fail(f"The guest did not end within {seconds} s:\n{text}")

    def kill(self) -> None:
        """Cut its power: ``kill -9`` of all its processes, at once."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _lines(self) -> list[str]:
        return self.console.read_text(errors="replace").splitlines()


def start(folder: Path, network: int, init: Path, *parameters: str, memory: str = "192M") -> Guest:
    """Boot a guest; ``parameters`` are the kernel's, and ``NAME=value`` for its init.

    ``folder`` is for its own files.  The guest dies with the thread that called this.
    """
    (folder / "lib/modules").mkdir(parents=True, exist_ok=True)
    (folder / "control").mkdir(exist_ok=True)
    (version,) = (_BUILT if has_nftables() else _MODULES).iterdir()
    command = [
        *("unshare", "--mount", "--pid", "--fork", "--kill-child=SIGKILL"),
        *("sh", "-euc", _ENTER, "sh", str(folder / "lib"), str(version.parent)),
        *(_linux(), f"mem={memory}", "root=/dev/root", "rootfstype=hostfs", "ro", f"init={init}"),
        *("con=null", "con0=null,fd:1", "con1=null", "quiet", "panic=-1", "random.trust_cpu=on"),
        f"uml_dir={folder}/control",
        *parameters,
    ]
    console = folder / "console"
    allowed = sorted(os.sched_getaffinity(0))
    # Those of other processes that run tests are elsewhere, as far as that goes.
    place = network + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))

    def settle() -> None:
        kernel.die_with_parent()
        # Each of its system calls is a hand-over between two processes: half as dear on one CPU.
        os.sched_setaffinity(0, {allowed[place % len(allowed)]})

    with console.open("wb") as output, kernel.inside(network):
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=settle,  # noqa: PLW1509 - system calls only
        )
    return Guest(process, console)


def busybox() -> Path:
    """A busybox to run small programs in a guest: the static one, which starts faster, if any."""
    static = Path(sys.prefix) / "busybox"
    return static if static.exists() else Path("/usr/bin/busybox")


def has_nftables() -> bool:
    """Whether ``make`` has built nftables for IP for the guest's kernel, which Debian's lacks."""
    return _BUILT.exists()


def _linux() -> str:
    found = shutil.which("linux.uml")
    assert found is not None, "user-mode-linux is not installed: .ci/packages test"
    return found
