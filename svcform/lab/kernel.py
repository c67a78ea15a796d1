"""The few system calls of namespaces and mounts that Python 3.11 does not have."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntFlag
from pathlib import Path


class Namespace(IntFlag):
    """``CLONE_NEW…`` of ``<linux/sched.h>``."""

    MOUNT = 0x00020000
    CGROUP = 0x02000000
    UTS = 0x04000000
    IPC = 0x08000000
    USER = 0x10000000
    PID = 0x20000000
    NET = 0x40000000


class Mount(IntFlag):
    """``MS_…`` of ``<linux/mount.h>``."""

    NONE = 0
    READ_ONLY = 0x1
    NO_SUID = 0x2
    NO_DEV = 0x4
    NO_EXEC = 0x8
    REMOUNT = 0x20
    BIND = 0x1000
    RECURSIVE = 0x4000
    PRIVATE = 0x40000


_PR_SET_PDEATHSIG = 1
_MNT_DETACH = 2
_SYS_PIVOT_ROOT = {"x86_64": 155, "i686": 217}.get(os.uname().machine, 41)
_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(namespaces: Namespace) -> None:
    """Put the calling thread into new namespaces (``unshare(2)``)."""
    _check(_libc.unshare(int(namespaces)), f"unshare {namespaces!r}")


def enter(descriptor: int, namespace: Namespace) -> None:
    """Put the calling thread into an existing namespace (``setns(2)``)."""
    _check(_libc.setns(descriptor, int(namespace)), f"setns {namespace!r}")


def mount(source: str, target: Path, kind: str, flags: Mount = Mount.NONE, data: str = "") -> None:
    """``mount(2)``; an empty ``kind`` or ``data`` is passed as NULL."""
    result = _libc.mount(
        source.encode(),
        os.fsencode(target),
        kind.encode() or None,
        ctypes.c_ulong(int(flags)),
        data.encode() or None,
    )
    _check(result, f"mount {source} on {target}")


def bind(source: Path, target: Path, *, read_only: bool = False) -> None:
    """Show ``source``, with the mounts below it, also at ``target``."""
    mount(str(source), target, "", Mount.BIND | Mount.RECURSIVE)
    if read_only:
        # In a user namespace the flags that came with the mount are locked and must be repeated.
        flags = os.statvfs(target).f_flag & 0xE
        mount("", target, "", Mount.REMOUNT | Mount.BIND | Mount.READ_ONLY | Mount(flags))


def unmount(target: Path) -> None:
    """``umount2(2)``, at once where nobody uses it, else when the last one is done."""
    _check(_libc.umount2(os.fsencode(target), _MNT_DETACH), f"umount {target}")


def change_root(root: Path) -> None:
    """Make a mount point the root of the calling process's mount namespace, and drop the old."""
    os.chdir(root)
    # pivot_root(".", ".") stacks the old root on the new one: no directory for it is needed.
    _check(_libc.syscall(_SYS_PIVOT_ROOT, b".", b"."), f"pivot_root {root}")
    _check(_libc.umount2(b".", _MNT_DETACH), "umount of the old root")
    os.chdir("/")


def set_host_name(name: str) -> None:
    """``sethostname(2)``, in the calling process's UTS namespace."""
    raw = name.encode()
    _check(_libc.sethostname(raw, len(raw)), "sethostname")


def die_with_parent() -> None:
    """Have the kernel kill this process when the thread that made it ends."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")


def become_root_of_user_namespace() -> None:
    """Enter a new user namespace in which the calling user is root."""
    uid, gid = os.getuid(), os.getgid()
    unshare(Namespace.USER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
    Path("/proc/self/gid_map").write_text(f"0 {gid} 1")


def _own_network() -> int:
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def new_network() -> int:
    """Make a network namespace; it lives as long as somebody holds the returned descriptor."""
    own = _own_network()
    try:
        unshare(Namespace.NET)
        made = _own_network()
        enter(own, Namespace.NET)
    finally:
        os.close(own)
    return made


@contextmanager
def inside(network: int) -> Iterator[None]:
    """Run the calling thread, and what it starts, in a network namespace for a while."""
    own = _own_network()
    try:
        enter(network, Namespace.NET)
        try:
            yield
        finally:
            enter(own, Namespace.NET)
    finally:
        os.close(own)
