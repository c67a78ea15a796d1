"""Findings in what the user wrote: collected, never raised one by one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class Severity(Enum):
    """How much a finding matters: an error stops the run, the others don't."""

    ERROR = "error"
    WARNING = "warning"
    NOTICE = "notice"


@dataclass(frozen=True, slots=True, order=True)
class Location:
    """A place in a file; ``line`` and ``column`` count from 1, 0 means "the whole file"."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value comes from: file, document in the file (from 0), path in the document.

    It is cheap to make for 100,000 values.  ``svcform.inputs.locate`` turns it into a
    :class:`Location` for the few that are shown.
    """

    file: str
    document: int = 0
    path: tuple[str | int, ...] = ()

    def at(self, *path: str | int) -> Origin:
        """The origin of a value further inside."""
        return Origin(self.file, self.document, self.path + path)


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding.

    ``code`` is stable (``SVC201``) and has a page in ``docs/codes/``.  ``summary`` is short and
    fixed, with no names in it; ``detail`` is a full sentence that names things and says what to do.
    """

    code: str
    severity: Severity
    summary: str
    detail: str
    where: Location | Origin | None = None


def errors(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Only the findings that stop a run."""
    return [d for d in diagnostics if d.severity is Severity.ERROR]
