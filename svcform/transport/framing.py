"""How a script gets to the node's ``sh`` unharmed, and becomes root on the way.

The login shell may be fish or csh and may print a greeting.  So it sees one constant command,
which reads a line from standard input: the script, with its newlines and odd bytes encoded.  A
marker on both streams says where the script's own output begins.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field

from svcform.errors import BecomeFailed
from svcform.model.node import Connection
from svcform.transport.contract import BECAME, Installed

LOADER = 'IFS= read -r svcform && eval "$(printf %b "$svcform")"'

#: No character in it means anything to csh or fish inside single quotes.
COMMAND = f"exec sh -c '{LOADER}'"

#: Longer scripts become root's through standard input: sudo writes its whole command to the
#: system's log.  Shorter ones are arguments, so that a sudoers line can allow exactly one.
_ARGUMENT_LIMIT = 2000

METHODS = ("sudo", "doas", "su")


def encode(script: str) -> bytes:
    """One line that ``printf %b`` turns back into the script.

    Bytes above ASCII are octal too, so that no shell's locale has a say in them.
    """
    if "\0" in script:
        raise ValueError("a script for sh can't hold a NUL byte")
    pieces = re.sub(rb"[^ -~]|[\\'!]", lambda m: b"\\0%03o" % m[0][0], script.encode())
    return pieces + b"\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Framed:
    """What to send and what to look for.

    ``command`` is what sshd gets, ``line`` the first line of its standard input and ``payload``
    the rest, which waits for the last of ``markers`` where ``password`` is set.  ``prompt`` is
    what the become method asks with.
    """

    command: str = COMMAND
    nonce: str
    line: bytes
    payload: bytes = field(repr=False)
    markers: tuple[bytes, ...]
    password: bytes | None = field(default=None, repr=False)
    prompt: bytes = b""


def frame(script: str | Installed, stdin: bytes, connection: Connection, nonce: str) -> Framed:
    """Frame a script for a node, as root (or ``become_user``) where its connection says so.

    Raises ``BecomeFailed`` for a method that there isn't.
    """
    begin = _print_marker(nonce)
    began = _marker(nonce)
    if not connection.become:
        own, more = _unbecome(script)
        markers = (began, *more)
        return Framed(nonce=nonce, line=encode(begin + own), payload=stdin, markers=markers)
    inner, payload = _inner(script, stdin)
    password = connection.become_password
    prompt = f"[svcform {nonce}] password: "
    become = become_command(connection, prompt, inner)
    outer = begin + _find(connection.become_method) + f"exec {become}"
    return Framed(
        nonce=nonce,
        line=encode(outer),
        payload=payload,
        markers=(began, _marker(BECAME)),
        password=None if password is None else password.encode() + b"\n",
        prompt=prompt.encode(),
    )


def frame_terminal(
    script: str | Installed, fifos: str, connection: Connection, nonce: str
) -> Framed:
    """Become through a terminal: standard streams come from and go to FIFOs in a directory.

    doas reads a password from its terminal only, and a terminal is no place for bytes.
    A script that isn't installed comes through the FIFO, as the first line for :data:`LOADER`.
    """
    streams = " ".join(
        f"{redirect}{shlex.quote(f'{fifos}/{number}')}"
        for number, redirect in enumerate(("<", ">", "2>"))
    )
    inner = script if isinstance(script, Installed) else _print_marker(BECAME) + LOADER
    command = become_command(connection, "", inner)
    # no exec: this shell keeps the terminal open, and sshd would end it with its last descriptor
    script = _print_marker(nonce) + f"{command} {streams}\nexit $?"
    outer = encode(script).rstrip(b"\n").decode("ascii")
    password = connection.become_password
    return Framed(
        nonce=nonce,
        command=f"""exec sh -c 'eval "$(printf %b "$1")"' sh '{outer}'""",
        line=b"",
        payload=b"",
        markers=(_marker(nonce),),
        password=None if password is None else password.encode() + b"\n",
    )


def frame_fifos(script: str | Installed, stdin: bytes, nonce: str) -> Framed:
    """The other end of :func:`frame_terminal`: FIFOs of our own, joined to this channel.

    It prints the directory's name and waits for a line, so that it never opens a FIFO that
    nobody else will.
    """
    line = encode(_print_marker(nonce) + _FIFOS)
    return Framed(
        nonce=nonce,
        line=line,
        payload=stdin if isinstance(script, Installed) else encode(script) + stdin,
        markers=(_marker(nonce), _marker(BECAME)),
    )


_FIFOS = """umask 077
d=$(mktemp -d "${TMPDIR:-/tmp}/svcform.XXXXXX") || exit 125
trap 'rm -rf "$d"' EXIT
trap 'exit 125' HUP INT TERM
mkfifo "$d/0" "$d/1" "$d/2" || exit 125
printf '%s\\n' "$d"
IFS= read -r go || exit 125
cat "$d/1" &
cat "$d/2" >&2 &
cat >"$d/0"
wait
"""


def needs_terminal(connection: Connection) -> bool:
    """Whether the become method takes its password from a terminal only."""
    return (
        connection.become
        and connection.become_method == "doas"
        and connection.become_password is not None
    )


def become_command(connection: Connection, prompt: str, inner: str | Installed) -> str:
    """The become method's command line for a POSIX shell; with a prompt it reads standard input.

    Raises ``BecomeFailed`` for a method that there isn't.
    """
    user, shell = shlex.quote(connection.become_user), _shell(inner)
    asks = connection.become_password is not None
    match connection.become_method:
        case "sudo":
            way = "-n"
            if asks:
                way = f"-S -p {shlex.quote(prompt)}" if prompt else ""
            return f"sudo {way} -H -u {user} -- {shell}"
        case "doas":
            return f"doas {'' if asks else '-n'} -u {user} {shell}"
        case "su":
            # it asks in the words of PAM, on stderr, and reads standard input (util-linux 2.38)
            return f"env LC_ALL=C su -s /bin/sh -c {shlex.quote(f'exec {shell}')} {user}"
    raise BecomeFailed(
        f"There is no become method {connection.become_method!r} here.",
        remedy=f"Set ansible_become_method to one of {', '.join(METHODS)}.",
    )


def _find(method: str) -> str:
    name = shlex.quote(method)
    return f'command -v {name} >/dev/null 2>&1 || {{ echo {name}": not found" >&2; exit 127; }}\n'


def _shell(inner: str | Installed) -> str:
    if isinstance(inner, Installed):
        return f"sh {shlex.quote(inner.path)}"
    return f"sh -c {shlex.quote(inner)}"


def _unbecome(script: str | Installed) -> tuple[str, tuple[bytes, ...]]:
    if isinstance(script, Installed):
        return f"exec {_shell(script)}", (_marker(BECAME),)
    return script, ()


def _inner(script: str | Installed, stdin: bytes) -> tuple[str | Installed, bytes]:
    if isinstance(script, Installed):
        return script, stdin
    begin = _print_marker(BECAME)
    if len(script) <= _ARGUMENT_LIMIT:
        return begin + script, stdin
    return begin + LOADER, encode(script) + stdin


def _marker(word: str) -> bytes:
    return b"\n" + word.encode("ascii") + b"\n"


def _print_marker(word: str) -> str:
    return f"printf '\\n%s\\n' {word}; printf '\\n%s\\n' {word} >&2\n"
