"""``ssh_config`` (ssh_config(5), OpenSSH 9.9), with ``Include``, ``Host`` and ``Match``.

paramiko's own reader doesn't follow ``Include``.
"""

from __future__ import annotations

import fnmatch
import glob
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from svcform.transport.ssh_arguments import KEYWORDS, MANY, split_keyword

_DEPTH = 16  # READCONF_MAX_DEPTH of OpenSSH's readconf.c
_EXEC_TIMEOUT = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Who asks: what ``Host`` and ``Match`` compare with."""

    host: str
    user: str
    local_user: str
    home: Path | None


@dataclass(slots=True)
class _Reader:
    subject: Subject
    values: dict[str, tuple[str, ...]]
    final: bool = False
    wants_final: bool = False
    base: Path | None = field(default=None)

    def file(self, path: Path, depth: int = 0) -> None:
        try:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return
        active = True
        for line in lines:
            keyword, rest = split_keyword(line)
            if not keyword or keyword.startswith("#"):
                continue
            if keyword == "host":
                active = matches_any(words(rest), self.subject.host)
            elif keyword == "match":
                active = self._match(words(rest))
            elif active and keyword == "include":
                self._include(words(rest), depth)
            elif active:
                self._set(keyword, rest)

    def _set(self, keyword: str, rest: str) -> None:
        if keyword not in KEYWORDS:
            return
        if keyword in MANY:
            value = " ".join(words(rest))
            if value not in self.values.get(keyword, ()):
                self.values[keyword] = (*self.values.get(keyword, ()), value)
        elif keyword not in self.values:
            raw = keyword in {"proxycommand", "userknownhostsfile", "globalknownhostsfile"}
            self.values[keyword] = (rest if raw else " ".join(words(rest)),)

    def _include(self, patterns: Sequence[str], depth: int) -> None:
        if depth >= _DEPTH:
            return
        for pattern in patterns:
            path = expand_home(pattern, self.subject.home)
            if not Path(path).is_absolute() and self.base is not None:
                path = str(self.base / path)
            # ssh expands with glob(3), which sorts
            for name in sorted(glob.glob(path)):  # noqa: PTH207 - the pattern may be absolute
                self.file(Path(name), depth + 1)

    def _match(self, criteria: list[str]) -> bool:
        matched = True
        rest = iter(criteria)
        for word in rest:
            name, _, attached = word.lower().partition("=")
            negated, name = name.startswith("!"), name.removeprefix("!")
            argument = ""
            if name not in {"all", "canonical", "final"}:
                argument = word.partition("=")[2] if attached else next(rest, "")
            if self._criterion(name, argument, matched=matched) == negated:
                matched = False
        return matched

    def _criterion(self, name: str, argument: str, *, matched: bool) -> bool:
        if name == "final":
            self.wants_final = True
            return self.final
        if name == "exec":
            # as in ssh, the command only runs where everything before it matched
            return matched and _succeeds(expand_tokens(argument, self.tokens()))
        subject = self.subject
        compared = {
            "host": self.values.get("hostname", (subject.host,))[0],
            "originalhost": subject.host,
            "user": self.values.get("user", (subject.user,))[0],
            "localuser": subject.local_user,
        }
        if name in compared:
            return matches_any(argument.split(","), compared[name])
        return name == "all"

    def tokens(self) -> Mapping[str, str]:
        return tokens(
            host=self.values.get("hostname", (self.subject.host,))[0],
            subject=self.subject,
            port=self.values.get("port", ("22",))[0],
            user=self.values.get("user", (self.subject.user,))[0],
        )


def read(
    files: Sequence[Path], subject: Subject, given: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[str, ...]]:
    """All that applies to a host: ``given`` first, then the files in order.

    The order of the keys is the order in which they were found, which decides between
    ``ProxyJump`` and ``ProxyCommand``.
    """
    reader = _Reader(subject, dict(given))
    for final in (False, True):
        if final and not reader.wants_final:
            break
        reader.final = final
        for path in files:
            system = path.parent == Path("/etc/ssh")
            home = subject.home / ".ssh" if subject.home is not None else None
            reader.base = path.parent if system or home is None else home
            reader.file(path)
    return reader.values


def words(text: str) -> list[str]:
    """Arguments of a line: double quotes keep blanks, ``#`` starts a comment."""
    try:
        return shlex.split(text, comments=True)
    except ValueError:
        return text.split()


def matches_any(patterns: Sequence[str], name: str) -> bool:
    """Whether one pattern matches and no negated one does."""
    found = False
    for pattern in patterns:
        negated = pattern.startswith("!")
        shell = pattern.removeprefix("!").lower().replace("[", "[[]")
        if fnmatch.fnmatchcase(name.lower(), shell):
            if negated:
                return False
            found = True
    return found


def tokens(*, host: str, subject: Subject, port: str, user: str) -> Mapping[str, str]:
    """The percent tokens of ssh_config(5) that make sense without a terminal."""
    return {
        "%": "%",
        "d": str(subject.home or "~"),
        "h": host,
        "n": subject.host,
        "p": port,
        "r": user,
        "u": subject.local_user,
    }


def expand_tokens(text: str, values: Mapping[str, str]) -> str:
    """Replace ``%h`` and its kin; an unknown token stays as it is."""
    pieces = []
    rest = iter(text)
    for character in rest:
        if character == "%":
            token = next(rest, "")
            pieces.append(values.get(token, "%" + token))
        else:
            pieces.append(character)
    return "".join(pieces)


def expand_home(path: str, home: Path | None) -> str:
    """``~/x`` below the home directory; unchanged where there is none."""
    if path == "~" or path.startswith("~/"):
        return str(home) + path[1:] if home is not None else path
    return path


def _succeeds(command: str) -> bool:
    try:
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_EXEC_TIMEOUT,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
