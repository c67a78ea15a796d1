"""The command line's grammar: flags that commands share, and what a mistyped one gets to hear."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

from svcform.errors import UsageError

Subparsers = Any  # argparse keeps the type of ``add_subparsers()``'s result to itself


class Parser(argparse.ArgumentParser):
    """An argument parser that raises instead of leaving with 2: that code means "changes"."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - argparse's own options
        options.setdefault("allow_abbrev", False)
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(**options)

    def error(self, message: str) -> NoReturn:
        """Raise UsageError with argparse's own words and where help is."""
        raise UsageError(f"{_sentence(message)} See `{self.prog} --help`.")


def _sentence(message: str) -> str:
    text = message[:1].upper() + message[1:]
    return text if text.endswith((".", "?")) else text + "."


def refuse_unknown(parser: argparse.ArgumentParser, unknown: Iterable[str]) -> None:
    """Raise UsageError for arguments that nobody takes, with the nearest flag of the command."""
    words = list(unknown)
    if not words:
        return
    known = [flag for action in parser._actions for flag in action.option_strings]  # noqa: SLF001 - argparse has no public list of its flags
    flags = [word.partition("=")[0] for word in words if word.startswith("-")] or words[:1]
    parts = []
    for flag in flags:
        near = difflib.get_close_matches(flag, known, n=1, cutoff=0.6)
        parts.append(f"{flag} is not known." + (f" Did you mean {near[0]}?" if near else ""))
    raise UsageError(" ".join([*parts, f"See `{parser.prog} --help`."]))


def positive(text: str) -> int:
    """A whole number of at least 1."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return value


def seconds(text: str) -> int:
    """A whole number of seconds, also none."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of seconds")
    return int(text)


def add_output(parser: argparse.ArgumentParser) -> None:
    """What every command takes: format, colour, loudness, the project."""
    group = parser.add_argument_group("output")
    group.add_argument(
        "-o", "--output", choices=("human", "json"), default="human", help="the format on stdout"
    )
    group.add_argument("--no-color", action="store_true", help="no colours (as NO_COLOR does)")
    group.add_argument("-v", "--verbose", action="count", default=0, help="say more; -vv: most")


def add_project(parser: argparse.ArgumentParser) -> None:
    """Where the project is, and which of its files."""
    group = parser.add_argument_group("project")
    group.add_argument(
        "-C", "--project", type=Path, default=Path(), metavar="DIR", help="the project's folder (.)"
    )
    group.add_argument(
        "-i", "--inventory", action="append", default=[], metavar="PATH",
        help="inventory file, folder, JSON or program; may be repeated (inventory.yml)",
    )  # fmt: skip
    group.add_argument("--playbook", metavar="FILE", help="the playbook (playbooks/site.yml)")
    group.add_argument(
        "-e", "--extra-vars", action="append", default=[], metavar="VARS",
        help="key=value, YAML, JSON or @file; wins over all other variables",
    )  # fmt: skip
    group.add_argument("-l", "--limit", metavar="PATTERN", help="only these nodes")
    group.add_argument(
        "--vault-password-file", action="append", default=[], metavar="FILE",
        help="password of !vault values; a program is run; may be repeated",
    )  # fmt: skip


def add_reading(parser: argparse.ArgumentParser) -> None:
    """How strictly manifests and the lock file are taken."""
    group = parser.add_argument_group("checks")
    group.add_argument(
        "--validate", choices=("strict", "warn", "ignore"), default="strict",
        help="unknown fields of manifests, as kubectl has it",
    )  # fmt: skip
    group.add_argument(
        "--locked", action=argparse.BooleanOptionalAction, default=None,
        help="fail where the lock file would change (the default where CI is set)",
    )  # fmt: skip
    add_renumber(group)


def add_renumber(group: argparse._ActionsContainer) -> None:
    """The guard of live addresses."""
    group.add_argument(
        "--allow-renumber", action="store_true", help="let a live Service get another address"
    )


def add_connection(parser: argparse.ArgumentParser) -> None:
    """How nodes are reached, in Ansible's flags."""
    group = parser.add_argument_group("connection")
    group.add_argument(
        "-f", "--forks", type=positive, default=32, metavar="N", help="nodes at a time (32)"
    )
    group.add_argument("-u", "--user", metavar="USER", help="log in as this user")
    group.add_argument("--private-key", metavar="FILE", help="log in with this key")
    group.add_argument("-T", "--timeout", type=positive, metavar="SECONDS", help="to connect (10)")
    group.add_argument("-b", "--become", action="store_true", default=None, help="become root")
    group.add_argument("--become-method", choices=("sudo", "doas"), help="sudo or doas")
    group.add_argument("--become-user", metavar="USER", help="become this user (root)")
    group.add_argument("-k", "--ask-pass", action="store_true", help="ask for the login password")
    group.add_argument(
        "-K", "--ask-become-pass", action="store_true", help="ask for the become password"
    )
    group.add_argument(
        "--become-password-file", metavar="FILE", help="the become password; a program is run"
    )


def add_proposal(parser: argparse.ArgumentParser) -> None:
    """What a plan may do, and to which Services."""
    group = parser.add_argument_group("plan")
    group.add_argument(
        "--target", action="append", default=[], metavar="SERVICE",
        help="only these Services: namespace/name, glob or label=value; may be repeated",
    )  # fmt: skip
    group.add_argument(
        "--exclude", action="append", default=[], metavar="SERVICE",
        help="all Services but these; may be repeated",
    )  # fmt: skip
    add_guards(group)
    group.add_argument(
        "--allow-unreachable", action="store_true", help="go on with most of a play unreadable"
    )
    group.add_argument(
        "--take-over", action="store_true", help="take a node that belongs to another project"
    )
    group.add_argument("--rules", action="store_true", help="show the rules behind the changes")
    group.add_argument(
        "--detailed-exitcode", action="store_true", help="leave with 2 where changes are pending"
    )


def add_guards(group: argparse._ActionsContainer) -> None:
    """The guards of what goes and what is cut."""
    group.add_argument(
        "--allow-deletions", action="store_true", help="let many Services or endpoints go"
    )
    group.add_argument(
        "--allow-lockout", action="store_true", help="let a connection be cut that must stay"
    )


def add_apply(parser: argparse.ArgumentParser) -> None:
    """How a plan is carried out."""
    group = parser.add_argument_group("apply")
    group.add_argument("--auto-approve", action="store_true", help="do not ask")
    group.add_argument(
        "--run-timeout", type=positive, default=300, metavar="SECONDS", help="for the steps (300)"
    )
    group.add_argument(
        "--confirm-timeout", type=positive, default=30, metavar="SECONDS",
        help="for the confirmation over a new connection (30)",
    )  # fmt: skip
    group.add_argument(
        "--confirm", choices=("checks",),
        help="the node confirms only if its gateway and its sshd answer; stands in for the typed "
        "answer of a local connection",
    )  # fmt: skip
    group.add_argument(
        "--lock-timeout", type=seconds, default=0, metavar="SECONDS",
        help="wait so long for another apply to end (0: leave with 6)",
    )  # fmt: skip
