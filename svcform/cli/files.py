"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from svcform.errors import PlanFileError, UsageError

T = TypeVar("T")


def replace(path: Path, content: bytes, *, private: bool = False) -> None:
    """Write the file in one step; ``private`` files are their owner's alone.

    What is no file, as ``/dev/stdout`` or ``/dev/null``, stays what it is and is written to.
    Raises UsageError where the folder can't be written.
    """
    path = path.resolve()
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            path.write_bytes(content)
            return
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise UsageError(f"{path} can't be written: {error.strerror}.") from error
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        temporary.chmod(0o600 if private else _usual_mode(path))
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UsageError(f"{path} can't be written: {error.strerror}.") from error


def _usual_mode(path: Path) -> int:
    if path.exists():
        return path.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def shown(path: Path) -> str:
    """The path as a person sees it: relative where it lies below the current folder."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)


def parsed(path: Path, parse: Callable[[bytes], T]) -> T:
    """What ``parse`` makes of the file.

    Raises UsageError where it can't be read, and the PlanFileError of ``parse`` behind its name.
    """
    try:
        return parse(read(path))
    except PlanFileError as error:
        raise PlanFileError(f"{shown(path)}: {error}") from error


def read(path: Path) -> bytes:
    """The file's bytes.  Raises UsageError where it can't be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}.") from error
