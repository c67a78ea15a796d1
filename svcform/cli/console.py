"""Where a command writes: results to stdout, everything else to stderr."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TextIO

from svcform.diagnostics import Diagnostic, Severity
from svcform.errors import SvcformError
from svcform.views.diagnostics import human, tally
from svcform.views.text import Palette


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """The two streams, and how they may be written on."""

    stdout: TextIO
    stderr: TextIO
    out: Palette
    err: Palette
    json: bool
    verbosity: int
    interactive: bool

    def result(self, text: str) -> None:
        """Write what was asked for, to stdout.

        Raises SvcformError where it can't be written, as on a disk that is full; a reader that
        left is a BrokenPipeError.
        """
        try:
            self.stdout.write(text)
            self.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            silence(self.stdout)
            raise SvcformError(f"The output can't be written: {error.strerror}.") from error

    def say(self, text: str) -> None:
        """Write one remark, to stderr."""
        self.stderr.write(text + "\n")
        self.stderr.flush()

    def findings(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Write findings to stderr; notices only under ``-v``."""
        found = tuple(diagnostics)
        self.stderr.write(human(found, self.err, notices=self.verbosity > 0))
        if any(d.severity is Severity.ERROR for d in found):
            self.say(f"{tally(found)}.")
        self.stderr.flush()


def silence(*streams: TextIO) -> None:
    """Write no more: Python would complain again while it closes a stream that can't be written."""
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        try:
            os.dup2(null, stream.fileno())
        except (OSError, ValueError):
            continue


def is_ci(environment: Mapping[str, str]) -> bool:
    """Whether a pipeline runs this: CI is set, and not to a word that says no."""
    return environment.get("CI", "").strip().lower() not in {"", "0", "false", "no", "off"}


def coloured(stream: TextIO, environment: Mapping[str, str], *, no_color: bool) -> bool:
    """Whether to colour: ``--no-color`` and NO_COLOR forbid, FORCE_COLOR asks, else a terminal."""
    if no_color or environment.get("NO_COLOR"):
        return False
    if environment.get("FORCE_COLOR"):
        return True
    return stream.isatty() and environment.get("TERM") != "dumb"


def console(arguments: Namespace) -> Console:
    """The console of this run."""
    no_color = getattr(arguments, "no_color", False)
    return Console(
        stdout=sys.stdout,
        stderr=sys.stderr,
        out=Palette(colour=coloured(sys.stdout, os.environ, no_color=no_color)),
        err=Palette(colour=coloured(sys.stderr, os.environ, no_color=no_color)),
        json=getattr(arguments, "output", "human") == "json",
        verbosity=getattr(arguments, "verbose", 0),
        interactive=sys.stdin is not None and sys.stdin.isatty(),
    )
