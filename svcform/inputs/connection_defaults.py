"""What the command line says about connections (Ansible's -u, -k, -K, --become ...)."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionDefaults:
    """Connection options of the command line; None means that it says nothing.

    As in Ansible they are the weakest: a play's keywords win over them, and ``ansible_*``
    variables over both.  Secrets were already asked for or read by the command.
    """

    user: str | None = None
    password: str | None = field(default=None, repr=False)
    private_key_file: str | None = None
    timeout: int | None = None
    become: bool | None = None
    become_user: str | None = None
    become_method: str | None = None
    become_password: str | None = field(default=None, repr=False)
