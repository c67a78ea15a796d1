"""The whole input of one run: files in, a frozen workspace or findings out."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from svcform.diagnostics import Diagnostic
from svcform.inputs.connection_defaults import ConnectionDefaults
from svcform.model.workspace import Workspace

if TYPE_CHECKING:
    from svcform.inputs.lockfile import LockFile

Validation = Literal["strict", "warn", "ignore"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadRequest:
    """What the command line says about the input.

    The first fields are those of :class:`svcform.inputs.project.ProjectRequest`.
    ``validate`` is kubectl's: what an unknown field of a manifest is.  With ``locked`` a lock file
    that would have to be completed is an error; ``allow_renumber`` lets a live address change.
    """

    project: Path
    inventories: tuple[str, ...] = ()
    playbook: str | None = None
    extra_vars: tuple[str, ...] = ()
    limit: str | None = None
    vault_password_files: tuple[str, ...] = ()
    connection_defaults: ConnectionDefaults = field(default_factory=ConnectionDefaults)
    validate: Validation = "strict"
    locked: bool = False
    allow_renumber: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What was read: ``workspace`` is None if and only if there is an error.

    ``diagnostics`` are sorted by place, and each has a resolved Location (or none at all).
    ``lock`` is the lock file after completion, None where the input is too broken to tell;
    ``lock_text`` is what has to be written to ``lock_path``, None if nothing changed.
    """

    workspace: Workspace | None
    diagnostics: tuple[Diagnostic, ...]
    lock: LockFile | None
    lock_text: bytes | None
    lock_path: Path
