"""``ansible_ssh_common_args``: the options of ssh(1), as far as a library can follow them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from svcform.errors import Unreachable

_WITH_VALUE = "BbcDEeFIiJLlmOoPpQRSWw"
_KEYWORDS: Mapping[str, str] = {"i": "identityfile", "J": "proxyjump", "l": "user", "p": "port"}

#: What ssh_config's keywords we follow; anything else is listed as ignored.
KEYWORDS = frozenset(
    {
        "globalknownhostsfile",
        "hostkeyalias",
        "hostname",
        "identitiesonly",
        "identityagent",
        "identityfile",
        "port",
        "proxycommand",
        "proxyjump",
        "user",
        "userknownhostsfile",
    }
)
MANY = frozenset({"identityfile"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SshArguments:
    """Keywords in lower case with their values, in the order given; ``ignored`` is for ``-v``."""

    values: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    config_file: str = ""
    ignored: tuple[str, ...] = ()


def parse(text: str) -> SshArguments:
    """Read the arguments; of a keyword given twice the first counts, as in ssh.

    Raises ``Unreachable`` where the quoting is broken.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise Unreachable(
            f"ansible_ssh_common_args can't be split into words: {error}.",
            remedy="Close the quotes in ansible_ssh_common_args.",
        ) from None
    values: dict[str, tuple[str, ...]] = {}
    ignored: list[str] = []
    config_file = ""
    for flag, value in _flags(words):
        if flag == "F":
            config_file = config_file or value
            continue
        keyword, setting = _keyword(flag, value)
        if keyword not in KEYWORDS:
            ignored.append(f"-{flag} {value}".rstrip())
        elif keyword in MANY or keyword not in values:
            values[keyword] = (*values.get(keyword, ()), setting)
    return SshArguments(values=values, config_file=config_file, ignored=tuple(ignored))


def _keyword(flag: str, value: str) -> tuple[str, str]:
    if flag != "o":
        return _KEYWORDS.get(flag, ""), value
    return split_keyword(value)


def split_keyword(line: str) -> tuple[str, str]:
    """``Keyword value``, ``Keyword=value``: the keyword in lower case, and the rest."""
    line = line.strip()
    end = next((i for i, c in enumerate(line) if c in " \t="), len(line))
    rest = line[end:].lstrip()
    if rest.startswith("="):
        rest = rest[1:].lstrip()
    return line[:end].lower(), rest


def _flags(words: list[str]) -> Iterator[tuple[str, str]]:
    """Pairs of an option's letter and its value (empty where it takes none)."""
    rest = iter(words)
    for word in rest:
        if not word.startswith("-") or word == "-":
            yield word, ""
            continue
        letters = word[1:]
        while letters:
            letter, letters = letters[0], letters[1:]
            if letter in _WITH_VALUE:
                yield letter, letters or next(rest, "")
                break
            yield letter, ""
