"""Host patterns of ``hosts`` and ``--limit``.

The rules are those of ansible-core 2.19, ``inventory/manager.py``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from fnmatch import translate
from pathlib import Path

from svcform.inputs.encoding import not_utf8
from svcform.inputs.groups import ALL, LOCALHOST, Groups
from svcform.inputs.host_ranges import is_host

_SUBSCRIPT = re.compile(
    r"(?P<base>.+)\[(?:(?P<one>-?[0-9]+)|(?P<first>[0-9]+)[:-](?P<last>[0-9]*))\]"
)
_COLON_PARTS = re.compile(r"(?:[^\s:\[\]]|\[[^\]]*\])+")
_GLOB = (".", "?", "*", "[")


class BadPattern(Exception):
    """A host pattern can't be understood; the text says why, in a full sentence."""


class Patterns:
    """Answers which hosts a pattern means; ``unmatched`` collects the parts that mean none."""

    def __init__(self, groups: Groups) -> None:
        self._groups = groups
        self._known: dict[str, list[str]] = {}
        self._localhost = next((name for name in LOCALHOST if name in groups.hosts), "")
        self.unmatched: list[str] = []

    def match(self, pattern: str | Sequence[str]) -> list[str]:
        """The names of the hosts, each once, in Ansible's order.

        Without a part that adds hosts, ``&`` and ``!`` select from ``all``.  Raises BadPattern.
        """
        found: dict[str, None] = {}
        for part in _ordered(split(pattern)):
            if part in self._groups.hosts:
                found[part] = None
                continue
            hosts = self._match_part(part.removeprefix("!") if part[0] == "!" else part.lstrip("&"))
            if part[0] == "!":
                left = set(hosts)
                found = {name: None for name in found if name not in left}
            elif part[0] == "&":
                kept = set(hosts)
                found = {name: None for name in found if name in kept}
            else:
                found.update(dict.fromkeys(hosts))
        return list(found)

    def _match_part(self, part: str) -> list[str]:
        if part not in self._known:
            if not part:
                raise BadPattern("A host pattern has nothing after its `!` or `&`.")
            self._known[part] = self._subscripted(part)
        return self._known[part]

    def _subscripted(self, part: str) -> list[str]:
        found = None if part[0] == "~" else _SUBSCRIPT.fullmatch(part)
        if found is None:
            return self._enumerate(part)
        hosts = self._enumerate(found["base"])
        if not hosts:
            return hosts
        if found["one"] is None:
            # `[0:0]` and `[0-0]`: Ansible takes a last index of 0 for none.
            last = int(found["last"] or -1)
            if last:
                return hosts[int(found["first"]) : last + 1 if last != -1 else len(hosts)]
        index = int(found["one"] or found["first"])
        if not -len(hosts) <= index < len(hosts):
            raise BadPattern(
                f"The host pattern {part!r} asks for host {index} of {len(hosts)}: count from 0."
            )
        return [hosts[index]]

    def _enumerate(self, expression: str) -> list[str]:
        matches = _matcher(expression)
        # A host that matches twice counts twice for a subscript, as in Ansible.
        found: list[str] = []
        matching = [name for name in self._groups.groups if matches(name)]
        for group in matching:
            found += self._groups.members(group)
        if not matching or expression[0] == "~" or any(sign in expression for sign in _GLOB):
            found += [name for name in self._groups.hosts if matches(name)]
        if not found and expression in LOCALHOST:
            # Ansible has one such host: the first name that was asked for.
            self._localhost = self._localhost or expression
            return [self._localhost]
        if not found and (not matching or expression == ALL):
            self.unmatched.append(expression)
        return found


def split(pattern: str | Sequence[str]) -> list[str]:
    """The single patterns in a text: at commas, or else at colons that aren't an address's."""
    if not isinstance(pattern, str):
        return [part for text in pattern for part in split(text)]
    if "," in pattern:
        parts: Iterable[str] = pattern.split(",")
    elif is_host(pattern):
        parts = [pattern]
    else:
        parts = _COLON_PARTS.findall(pattern)
    return [part.strip() for part in parts if part.strip()]


def read_limit(limit: str) -> list[str]:
    """The single patterns of ``--limit``; ``@file`` gives those of a file, one a line.

    Raises BadPattern for a file that can't be read.
    """
    found: list[str] = []
    for part in split(limit):
        if part[0] != "@":
            found.append(part)
            continue
        try:
            lines = Path(part[1:]).read_text("utf-8").splitlines()
        except OSError as error:
            reason = error.strerror
            raise BadPattern(f"The file {part[1:]} of --limit can't be read: {reason}.") from error
        except UnicodeDecodeError as error:
            reason = not_utf8(error)
            raise BadPattern(f"The file {part[1:]} of --limit can't be read: {reason}") from error
        found += [line.strip() for line in lines if line.strip()]
    return found


def _ordered(parts: Sequence[str]) -> list[str]:
    adding = [part for part in parts if part[0] not in "!&"]
    keeping = [part for part in parts if part[0] == "&"]
    leaving = [part for part in parts if part[0] == "!"]
    return [*(adding or [ALL]), *keeping, *leaving]


def _matcher(expression: str) -> Callable[[str], re.Match[str] | None]:
    text = expression[1:] if expression[0] == "~" else translate(expression)
    try:
        return re.compile(text).match
    except re.error as error:
        raise BadPattern(f"The host pattern {expression!r} is not valid: {error}.") from error
