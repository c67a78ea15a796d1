"""Passwords: asked for on the terminal, or read from a file or a program."""

from __future__ import annotations

import getpass
import os
import subprocess
import warnings
from argparse import Namespace
from pathlib import Path

from svcform.errors import UsageError
from svcform.inputs.connection_defaults import ConnectionDefaults


def connection_defaults(arguments: Namespace) -> ConnectionDefaults:
    """What the command line says about connections, with the secrets in place."""
    password = _ask("Login password: ", "-k") if getattr(arguments, "ask_pass", False) else None
    return ConnectionDefaults(
        user=getattr(arguments, "user", None),
        password=password,
        private_key_file=getattr(arguments, "private_key", None),
        timeout=getattr(arguments, "timeout", None),
        become=getattr(arguments, "become", None),
        become_user=getattr(arguments, "become_user", None),
        become_method=getattr(arguments, "become_method", None),
        become_password=_become_password(arguments),
    )


def _become_password(arguments: Namespace) -> str | None:
    if getattr(arguments, "become_password_file", None):
        return read_password(Path(arguments.become_password_file))
    if getattr(arguments, "ask_become_pass", False):
        return _ask("Become password: ", "-K; use --become-password-file there")
    return None


def _ask(prompt: str, flag: str) -> str:
    """The password typed on the terminal; getpass would otherwise echo it from a pipe."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)
            return getpass.getpass(prompt)
    except (getpass.GetPassWarning, EOFError, OSError) as error:
        raise UsageError(f"There is no terminal to ask for a password on ({flag}).") from error


def read_password(path: Path) -> str:
    """The first line of the file, or of what the program prints if the file is executable.

    Raises UsageError where it can't be read, or is empty.
    """
    try:
        text = (
            _run(path) if path.is_file() and os.access(path, os.X_OK) else path.read_text("utf-8")
        )
    except (OSError, UnicodeDecodeError, subprocess.SubprocessError) as error:
        raise UsageError(f"The password file {path} can't be read: {error}.") from error
    lines = text.splitlines()
    if not lines or not lines[0]:
        raise UsageError(f"The password file {path} holds no password.")
    return lines[0]


def _run(path: Path) -> str:
    done = subprocess.run(
        [str(path.absolute())], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout
