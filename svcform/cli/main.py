"""The entry: arguments in, exit code out; whatever goes wrong is said in sentences."""

from __future__ import annotations

import gc
import logging
import os
import sys
import traceback
from argparse import Namespace
from collections.abc import Sequence
from typing import NoReturn

import svcform
from svcform.cli.commands import COMMANDS, grammar
from svcform.cli.console import Console, console, silence
from svcform.cli.parser import Parser, refuse_unknown
from svcform.errors import InputError, SvcformError
from svcform.views.plan_json import findings_json
from svcform.views.text import clean

INTERRUPTED = 130
_EPILOG = """\
Start with `svcform init`, then `svcform plan` and `svcform apply`.
Exit codes: 0 done, 1 mistake, 2 changes pending, 3 stale, 4 unreadable nodes,
5 rolled back, 6 locked, 7 refused, 8 partly applied, 130 interrupted.
"""


def build(commands: Sequence[str] = COMMANDS) -> tuple[Parser, dict[str, Parser]]:
    """The grammar of these commands, and the parser of each by name."""
    parser = Parser(
        prog="svcform",
        description="Kubernetes-style Services on plain Linux nodes: planned, reviewed, applied.",
        epilog=_EPILOG,
    )
    parser.add_argument("--version", action="version", version=f"svcform {svcform.__version__}")
    subparsers = parser.add_subparsers(
        dest="command", metavar="COMMAND", required=True, parser_class=Parser
    )
    for name in commands:
        grammar(name)(subparsers)
    return parser, dict(subparsers.choices)


def main(argv: Sequence[str]) -> int:
    """Run one command and give its exit code; raises nothing but SystemExit of ``--help``."""
    out = console(Namespace(no_color="--no-color" in argv))
    verbose = False
    if not _is_somewhere():
        _complain("svcform: the current folder is gone; change to one that is there.")
        return 1
    try:
        arguments = parse(argv)
        out = console(arguments)
        verbose = out.verbosity > 1
        _log(verbose=verbose)
        code = arguments.run(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        _complain("Interrupted.")
        return INTERRUPTED
    except BrokenPipeError:
        return _quiet_pipe()
    except SvcformError as error:
        return _failed(out, error)
    except OSError as error:
        if error.filename is None or error.strerror is None:
            return _internal(error, verbose=verbose)
        return _failed(out, SvcformError(f"{error.filename} can't be used: {error.strerror}."))
    except Exception as error:  # noqa: BLE001 - the last door: no traceback ever reaches a user
        return _internal(error, verbose=verbose)
    return int(code)


def _is_somewhere() -> bool:
    try:
        os.getcwd()  # noqa: PTH109 - Path.cwd() is this
    except OSError:
        return False
    return True


def parse(argv: Sequence[str]) -> Namespace:
    """The arguments of one command.  Raises UsageError."""
    parser, commands = build(_asked_for(argv))
    arguments, unknown = parser.parse_known_args(list(argv))
    refuse_unknown(commands[arguments.command], unknown)
    return arguments


def _asked_for(argv: Sequence[str]) -> Sequence[str]:
    """The commands whose grammar is needed; each brings its imports, and all of them take long."""
    first = argv[0] if argv else ""
    if first == "--version":
        return ()
    return (first,) if first in COMMANDS else COMMANDS


def _log(*, verbose: bool) -> None:
    level = logging.DEBUG if verbose else logging.CRITICAL
    logging.basicConfig(level=level, stream=sys.stderr, format="%(name)s: %(message)s")
    # paramiko logs every packet; what matters of it is in our own errors.
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)


def _failed(out: Console, error: SvcformError) -> int:
    try:
        findings = error.diagnostics if isinstance(error, InputError) else ()
        if out.json:
            message = str(error)
            out.result(findings_json("error", findings, {"exit_code": 1, "message": message}))
        if findings:
            out.findings(findings)
            return 1
        out.say(f"svcform: {clean(str(error))}")
        remedy = getattr(error, "remedy", "")
        if remedy:
            out.say(clean(remedy))
    except BrokenPipeError:
        return _quiet_pipe()
    return 1


def _internal(error: Exception, *, verbose: bool) -> int:
    if verbose:
        traceback.print_exception(error, file=sys.stderr)
    what = clean(f"{type(error).__name__}: {error}")
    _complain(
        f"svcform: this is a mistake in svcform itself ({what}); "
        "please report it with the command, its files and the output of the same command with -vv."
    )
    return 1


def _complain(text: str) -> None:
    try:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
    except OSError:
        pass  # nobody is listening any more


def _quiet_pipe() -> int:
    """The reader of our output left."""
    silence(sys.stdout, sys.stderr)
    return 1


def _open_closed_streams() -> None:
    """Give closed standard streams (``>&-``) a place: else the next file opened would be one."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
            if getattr(sys, name) is None:
                setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))


def run() -> NoReturn:
    """The console script ``svcform``."""
    # A run is short and keeps what it makes: collections only walk it again (a fifth of the time
    # of a plan for 10,000 Services).
    gc.disable()
    _open_closed_streams()
    sys.exit(main(sys.argv[1:]))
