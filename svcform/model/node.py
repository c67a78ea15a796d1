"""Nodes: how they are reached, what they should be."""

from __future__ import annotations

from dataclasses import dataclass, field

from svcform.diagnostics import Origin
from svcform.model.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """How a node is reached, in Ansible's words (``ansible_host``, ``ansible_become``, …).

    ``kind`` is ``ssh``, ``local`` or ``svcform_lab`` (a lab node entered by ``nsenter`` through the
    process ``lab_pid``).  Secrets are left out of ``repr`` and never enter a plan.
    """

    kind: str = "ssh"
    lab_pid: int = 0
    host: str
    port: int = 0
    user: str = ""
    password: str | None = field(default=None, repr=False)
    private_key_file: str = ""
    ssh_common_args: str = ""
    timeout: int = 10
    become: bool = False
    become_user: str = "root"
    become_method: str = "sudo"
    become_password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node that a play chose.  ``plays`` are indices into ``Workspace.plays``, ascending.

    ``absent`` empties the node.
    """

    name: str
    connection: Connection
    settings: Settings
    plays: tuple[int, ...]
    absent: bool = False
    groups: tuple[str, ...] = ()
    origin: Origin = field(default=Origin(""), compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """A play: which nodes in which order, and which Services.

    ``serial`` is as Ansible has it: numbers and percentages (``("1", "50%")``); empty means all.
    """

    name: str
    nodes: tuple[str, ...]
    serial: tuple[str, ...] = ()
    max_fail_percentage: float | None = None
    order: str = "inventory"
    absent: bool = False
    origin: Origin = field(default=Origin(""), compare=False)
