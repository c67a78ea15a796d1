"""A host's variables: which of the many places where a name may be set wins.

The order is that of ansible-core 2.19, ``vars/manager.py``: inventory group variables, then
``group_vars/all`` beside the inventory and beside the playbook, then those of the other groups,
host variables, ``host_vars/``, the play's, and the command line's.  A dictionary replaces a
dictionary, as with Ansible's ``hash_behaviour=replace``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from svcform.diagnostics import Diagnostic, Severity
from svcform.inputs.groups import ALL, LOCALHOST, Layer
from svcform.inputs.inventory import Inventory
from svcform.inputs.marked import MarkedDocument
from svcform.inputs.marked_files import read_file, unreadable
from svcform.inputs.vault import VaultSecret

#: The extensions of variable files, in the order in which Ansible looks for them.
EXTENSIONS = ("", ".yml", ".yaml", ".json")

#: Each variable's name, and the layer whose value holds.
Winners = Mapping[str, Layer]


#: Ansible makes `localhost` up where an inventory doesn't name it (``inventory/data.py``).
_IMPLICIT = (Layer({"ansible_connection": "local"}, MarkedDocument(file="(localhost)", value={})),)


class Variables:
    """The variables of all hosts of an inventory; files are read when a host first needs them.

    ``problems`` grows while files are read.
    """

    def __init__(
        self, inventory: Inventory, playbook_folder: Path | None, secrets: Sequence[VaultSecret]
    ) -> None:
        self.problems: list[Diagnostic] = []
        self._groups = inventory.groups
        self._beside_inventory = list(dict.fromkeys(map(Path.resolve, inventory.folders)))
        self._beside_playbook = [playbook_folder.resolve()] if playbook_folder else []
        self._secrets = secrets
        self._folders: dict[Path, frozenset[str]] = {}
        self._files: dict[Path, Layer | None] = {}
        self._merged: dict[tuple[str, ...], dict[str, Layer]] = {}

    def of_host(self, name: str) -> dict[str, Layer]:
        """The variables of a host (also of one that is not in the inventory) before any play's."""
        merged = self._of_groups(self._groups.groups_of(name)).copy()
        host = self._groups.hosts.get(name)
        implicit = _IMPLICIT if name in LOCALHOST else ()
        for layer in host.layers if host else implicit:
            merge(merged, layer)
        for folder in (*self._beside_inventory, *self._beside_playbook):
            for layer in self._beside(folder / "host_vars", name):
                merge(merged, layer)
        return merged

    def of_all(self) -> dict[str, Layer]:
        """The variables of the group ``all``."""
        return self._of_groups(()).copy()

    def _of_groups(self, groups: tuple[str, ...]) -> dict[str, Layer]:
        merged = self._merged.get(groups)
        if merged is None:
            merged = self._merged[groups] = {}
            for layer in self._group_layers([name for name in groups if name != ALL]):
                merge(merged, layer)
        return merged

    def _group_layers(self, groups: list[str]) -> Iterable[Layer]:
        for name in (ALL, *groups):
            yield from self._groups.groups[name].layers
        for names in ([ALL], groups):
            # The folder decides before the group: that is how Ansible's loops are nested.
            for folder in (*self._beside_inventory, *self._beside_playbook):
                for name in names:
                    yield from self._beside(folder / "group_vars", name)

    def _beside(self, folder: Path, name: str) -> Iterable[Layer]:
        names = self._list(folder)
        if not names or "/" in name:
            return
        for extension in EXTENSIONS:
            if name + extension not in names:
                continue
            path = folder / (name + extension)
            if path.exists():
                found = _files_in(path) if path.is_dir() else [path]
                yield from filter(None, map(self.read, found))
                return

    def _list(self, folder: Path) -> frozenset[str]:
        if folder not in self._folders:
            try:
                self._folders[folder] = frozenset(os.listdir(folder))  # noqa: PTH208 - names only
            except (FileNotFoundError, NotADirectoryError):
                self._folders[folder] = frozenset()
            except OSError as error:
                self._folders[folder] = frozenset()
                self.problems.append(unreadable(folder, error))
        return self._folders[folder]

    def read(self, path: Path) -> Layer | None:
        """The variables of a file, read once; None where there are none."""
        if path not in self._files:
            document, problems = read_file(path, self._secrets)
            self.problems += problems
            self._files[path] = self._layer(document) if document else None
        return self._files[path]

    def _layer(self, document: MarkedDocument) -> Layer | None:
        value = document.value
        if not value:
            return None
        if isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
            return Layer(value, document)
        detail = f"{document.file} must hold a mapping of variables, one `name: value` a line."
        self.problems.append(
            Diagnostic(
                "SVC113",
                Severity.ERROR,
                "A variables file holds no variables",
                detail,
                document.location(),
            )
        )
        return None


def merge(merged: dict[str, Layer], layer: Layer) -> None:
    """Let the layer's variables win over those merged before it."""
    for name in layer.values:
        merged[name] = layer


def _files_in(folder: Path) -> list[Path]:
    found: list[Path] = []
    for path in sorted(folder.iterdir(), key=lambda path: path.name):
        if path.name.startswith(".") or path.name.endswith("~"):
            continue
        if path.is_dir() and not path.suffix:
            found += _files_in(path)
        elif path.is_file() and path.suffix in EXTENSIONS:
            found.append(path)
    return found
