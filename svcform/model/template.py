"""Templates of files, by their names below ``templates/``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Template:
    """The text of a template, and its file as people know it; empty for svcform's own."""

    text: str
    file: str = ""
