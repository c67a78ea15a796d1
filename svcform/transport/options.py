"""What all connections of one run share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class SshOptions:
    """How host keys and ``ssh_config`` are found.

    ``pinned_known_hosts`` is the file beside the inventory.  ``config_files`` replaces
    ``~/.ssh/config`` and ``/etc/ssh/ssh_config``.  ``node`` is the inventory's name of the node,
    for messages.  Where ``ci`` is set nothing is ever trusted.
    """

    pinned_known_hosts: Path | None = None
    config_files: tuple[Path, ...] | None = None
    node: str = ""
    ci: bool = False
