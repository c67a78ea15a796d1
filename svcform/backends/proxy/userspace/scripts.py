"""The constant scripts of the servers' backends: each behind what they share."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import NamedTuple

from svcform.backends.proxy.userspace.objects import HEALTH, NAME, Server
from svcform.program.unit import UNIT_FUNCTIONS


class Scripts(NamedTuple):
    """What one backend runs on nodes; they differ in nothing but whose servers they are about."""

    look: str
    settle: str
    save: str
    restore: str
    alive: str


def _read(name: str) -> str:
    return files("svcform.backends.proxy.userspace").joinpath(name).read_text(encoding="utf-8")


def _scripts(backend: str) -> Scripts:
    servers = " ".join(server.value for server in Server if server.backend == backend)
    common = f"servers='{servers}'\n{UNIT_FUNCTIONS}{_read('common.sh')}"
    look = _read("look.sh") + (_read("tools.sh") if backend == NAME else "")
    return Scripts(
        look=f"{common}{look}exit 0\n",
        settle=common + _read("settle.sh"),
        save=common + _read("save.sh"),
        restore=common + _read("restore.sh"),
        alive=common + _read("alive.sh"),
    )


SCRIPTS: Mapping[str, Scripts] = {backend: _scripts(backend) for backend in (NAME, HEALTH)}
FINGERPRINT = _read("fingerprint.sh")
