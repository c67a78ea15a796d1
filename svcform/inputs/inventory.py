"""Inventories as ``-i`` names them: files, folders, programs, lists of hosts.

Folders follow ansible-core 2.19, ``inventory/manager.py``.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from svcform.diagnostics import Diagnostic, Location, Severity
from svcform.inputs.groups import UNGROUPED, Groups, Layer
from svcform.inputs.host_ranges import split_port
from svcform.inputs.inventory_yaml import add_document
from svcform.inputs.marked import MarkedDocument, read_marked
from svcform.inputs.marked_files import read_file, shown
from svcform.inputs.vault import VaultSecret

_IGNORED = re.compile(
    r"^\.|^(?:host_vars|group_vars|vars_plugins)$"
    r"|(?:\.pyc|\.pyo|\.swp|\.bak|~|\.rpm|\.md|\.txt|\.rst|\.orig|\.cfg|\.retry)$"
)
_YAML_ENDINGS = (".yaml", ".yml", ".json")
_PROGRAM_TIMEOUT = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """All sources together; ``folders`` are those beside which group_vars/ and host_vars/ lie."""

    groups: Groups
    folders: tuple[Path, ...]


def read_inventory(
    sources: Sequence[str], secrets: Sequence[VaultSecret]
) -> tuple[Inventory, list[Diagnostic]]:
    """Read what ``-i`` names, in its order; gives what is wrong in it, all of it."""
    groups = Groups()
    problems: list[Diagnostic] = []
    folders: dict[Path, None] = {}
    for source in sources:
        path = Path(source).expanduser()
        if "," in source and not path.exists():
            problems += _add_host_list(groups, source)
            continue
        folders[folder_of(source)] = None
        problems += _add_path(groups, path, secrets, named=True)
    problems += groups.close()
    return Inventory(groups=groups, folders=tuple(folders)), problems


def folder_of(source: str) -> Path:
    """The folder of an inventory: itself, or the one that the file lies in."""
    path = Path(source).expanduser()
    if "," in source and not path.exists():
        return Path.cwd()
    return path.absolute() if path.is_dir() else path.absolute().parent


def _add_host_list(groups: Groups, source: str) -> list[Diagnostic]:
    document = MarkedDocument(file=f"-i {source}", value=None)
    for text in filter(None, (part.strip() for part in source.split(","))):
        name, port = split_port(text) or (text, None)
        new = name not in groups.hosts
        host = groups.add_host(name, UNGROUPED, (document, (), None))
        if port is not None and new:
            host.layers.append(Layer({"ansible_port": port}, document))
    return []


def _add_path(
    groups: Groups, path: Path, secrets: Sequence[VaultSecret], *, named: bool = False
) -> list[Diagnostic]:
    if path.is_dir():
        problems: list[Diagnostic] = []
        for name in sorted(os.listdir(path)):  # noqa: PTH208 - names sort as Ansible sorts them
            if not _IGNORED.search(name):
                problems += _add_path(groups, path / name, secrets)
        return problems
    if _is_program(path):
        return _add_program(groups, path) if named else [_not_run(path)]
    if path.suffix == ".ini" or _looks_like_ini(path):
        return [_ini(path)]
    document, problems = read_file(path, secrets)
    if document is not None:
        problems += add_document(groups, document, path.absolute())
    return problems


def _is_program(path: Path) -> bool:
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            shebang = file.read(2) == b"#!"
    except OSError:
        return False
    return shebang or (os.access(path, os.X_OK) and path.suffix not in _YAML_ENDINGS)


def _looks_like_ini(path: Path) -> bool:
    if path.suffix in _YAML_ENDINGS:
        return False
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return False
    meaning = (line.strip() for line in lines if line.strip() and line.strip()[0] not in "#;")
    first = next(meaning, "")
    return bool(re.match(r"\[[\w.:-]+\]$|[\w.\[\]:-]+(?:\s+\w+=|$)", first)) and first[-1] != ":"


def _ini(path: Path) -> Diagnostic:
    detail = (
        f"{shown(path)} is an INI inventory; svcform reads YAML. "
        f"Convert it: `ansible-inventory -i {shown(path)} --list -y > inventory.yml`."
    )
    return _error("SVC103", "The inventory is in INI format", detail, path)


def _not_run(path: Path) -> Diagnostic:
    detail = (
        f"{shown(path)} is a program, and svcform runs an inventory program only when `-i` names "
        "it. Name it, or move it out of the folder."
    )
    return _error("SVC109", "An inventory program gives no inventory", detail, path)


def _error(code: str, summary: str, detail: str, path: Path) -> Diagnostic:
    return Diagnostic(code, Severity.ERROR, summary, detail, Location(shown(path)))


def _add_program(groups: Groups, path: Path) -> list[Diagnostic]:
    file = f"{shown(path)} --list"
    try:
        output = _run(path, "--list")
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError) as error:
        detail = f"{shown(path)} was run for its inventory and failed: {_reason(error)}"
        return [_error("SVC109", "An inventory program gives no inventory", detail, path)]
    document, problems = read_marked(output, file)
    if document is None:
        return problems
    problems += add_document(groups, document, path.absolute())
    if isinstance(document.value, Mapping) and "_meta" not in document.value:
        problems += _add_host_variables(groups, path, document)
    return problems


def _add_host_variables(groups: Groups, path: Path, listed: MarkedDocument) -> list[Diagnostic]:
    # A program that prints no `_meta` is asked for each host, as in Ansible.
    problems: list[Diagnostic] = []
    for host in [host for host in groups.hosts.values() if host.document is listed]:
        try:
            output = _run(path, "--host", host.name)
        except (OSError, subprocess.SubprocessError, UnicodeDecodeError) as error:
            detail = f"{shown(path)} --host {host.name} failed: {_reason(error)}"
            summary = "An inventory program gives no inventory"
            problems.append(_error("SVC109", summary, detail, path))
            break
        document, found = read_marked(output, f"{shown(path)} --host {host.name}")
        problems += found
        if document is not None and isinstance(document.value, Mapping):
            host.layers.append(Layer(document.value, document))
    return problems


def _run(path: Path, *arguments: str) -> str:
    command = [str(path.absolute()), *arguments]
    done = subprocess.run(command, capture_output=True, check=True, timeout=_PROGRAM_TIMEOUT)
    return done.stdout.decode("utf-8")


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        lines = error.stderr.decode("utf-8", errors="replace").strip().splitlines()
        return f"it ended with {error.returncode}" + (f" ({lines[-1]})." if lines else ".")
    if isinstance(error, subprocess.TimeoutExpired):
        return f"it did not end within {_PROGRAM_TIMEOUT} seconds."
    return f"{error.strerror}." if isinstance(error, OSError) else "its output is not UTF-8."
