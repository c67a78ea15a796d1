"""Files that svcform brings to nodes: read once, and refused unless their checksum is the one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from svcform.diagnostics import Diagnostic, Location, Severity
from svcform.model.settings import Download, Settings


class Downloads:
    """Those of one run; ``folder`` is what their paths are relative to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[Download, Download] = {}
        self._of: dict[tuple[Download, ...], Mapping[str, Download]] = {}
        self.problems: list[Diagnostic] = []

    def fill(self, settings: Settings, where: Location | None) -> Settings:
        """The settings with the contents of their files, where they are used."""
        found = settings.coredns_downloads
        if not found or not settings.dns:
            return settings
        key = tuple(found.values())
        if key not in self._of:
            self._of[key] = MappingProxyType(
                {name: self._filled(download, where) for name, download in found.items()}
            )
        return replace(settings, coredns_downloads=self._of[key])

    def _filled(self, download: Download, where: Location | None) -> Download:
        if download not in self._read:
            path = self._folder / Path(download.file).expanduser()
            try:
                content = path.read_bytes()
            except OSError as error:
                self._report(f"{path} can't be read: {error.strerror}.", where)
                content = b""
            else:
                actual = hashlib.sha256(content).hexdigest()
                if actual != download.sha256:
                    self._report(
                        f"{path} has the SHA-256 {actual}, and coredns_binary says "
                        f"{download.sha256}. Correct the one that is wrong.",
                        where,
                    )
            self._read[download] = replace(download, content=content)
        return self._read[download]

    def _report(self, detail: str, where: Location | None) -> None:
        summary = "A file to bring along is not what it should be"
        self.problems.append(Diagnostic("SVC149", Severity.ERROR, summary, detail, where))
