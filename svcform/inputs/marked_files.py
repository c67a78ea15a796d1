"""Reading a small file that may be encrypted: inventories, variables, playbooks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from svcform.diagnostics import Diagnostic, Location, Severity
from svcform.inputs.encoding import not_utf8, place_of
from svcform.inputs.marked import MarkedDocument, read_marked
from svcform.inputs.vault import VaultFailed, VaultSecret, VaultText, decrypt, is_vault


def shown(path: Path) -> str:
    """The path as messages show it: relative to the current folder where it is below it."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def read_file(
    path: Path, secrets: Sequence[VaultSecret]
) -> tuple[MarkedDocument | None, list[Diagnostic]]:
    """The file's document.

    A file that is wholly encrypted, and that no secret opens, gives None and a warning: its
    variables are then unknown, which is an error only where one of them is used.
    """
    file = shown(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        detail = f"{file} can't be read: {not_utf8(error)}"
        return None, [_unreadable(detail, place_of(error, file))]
    except OSError as error:
        return None, [unreadable(path, error)]
    if is_vault(text):
        try:
            text = decrypt(VaultText(text), secrets)
        except VaultFailed as failure:
            detail = f"{failure} Until then the variables in {file} are unknown."
            return None, [
                Diagnostic(
                    "SVC111",
                    Severity.WARNING,
                    "An encrypted file was left out",
                    detail,
                    Location(file),
                )
            ]
    return read_marked(text, file)


def unreadable(path: Path, error: OSError) -> Diagnostic:
    """The finding for a file or a folder that the system doesn't give."""
    file = shown(path)
    return _unreadable(f"{file} can't be read: {error.strerror}.", Location(file))


def _unreadable(detail: str, where: Location) -> Diagnostic:
    return Diagnostic("SVC100", Severity.ERROR, "A file can't be read", detail, where)
