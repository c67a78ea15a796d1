"""nginx's configuration for UDP, as far as svcform writes it (the stream module, 1.18 and later).

:func:`parse` reads what :func:`write` wrote, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from svcform.lang.listener import Listener, check_name, parse_place, place_text

_UPSTREAM = re.compile(
    r"upstream (?P<name>\S+) \{\n(?P<sticky>    hash \$remote_addr consistent;\n)?"
    r"(?P<servers>(?:    server \S+ max_fails=0;\n)+)\}\n"
    r"server \{\n    listen (?P<place>\S+) udp;\n    proxy_pass (?P=name);\n\}\n"
)


class Frame(NamedTuple):
    """What stands around all listeners.

    ``modules`` are files that load the stream module, by globs that may match nothing.
    A client's datagrams come from one socket, and go to one endpoint, until none was seen for
    ``idle_seconds``; ``clients`` may be known at a time.
    """

    modules: tuple[str, ...]
    pid_file: str
    open_files: int
    clients: int
    idle_seconds: int


def write_frame(frame: Frame) -> str:
    """The main file, which includes all in ``services`` beside it, and ``proof.conf``.

    One worker: another one would not know the first one's clients.
    """
    return "\n".join(
        (
            *(f"include {pattern};" for pattern in frame.modules),
            "worker_processes 1;",
            f"worker_rlimit_nofile {frame.open_files};",
            f"pid {frame.pid_file};",
            "error_log stderr error;",
            "events {",
            # The client's side counts as one, too.
            f"    worker_connections {2 * frame.clients};",
            "    multi_accept on;",
            "}",
            "stream {",
            f"    proxy_timeout {frame.idle_seconds}s;",
            "    include services/*.conf;",
            "    include proof.conf;",
            "}",
            "",
        )
    )


def write(listeners: Sequence[Listener]) -> str:
    """The blocks of some listeners; raises ValueError for what doesn't fit in."""
    return "".join(f"{line}\n" for listener in listeners for line in _blocks(listener))


def _blocks(listener: Listener) -> Iterator[str]:
    yield f"upstream {check_name(listener.name)} {{"
    if listener.affinity_seconds is not None:
        yield "    hash $remote_addr consistent;"
    for endpoint in listener.endpoints:
        # None is left out for a while after errors, as in other modes.
        yield f"    server {place_text(*endpoint)} max_fails=0;"
    yield "}"
    yield "server {"
    yield f"    listen {place_text(listener.address, listener.port)} udp;"
    yield f"    proxy_pass {listener.name};"
    yield "}"


def parse(text: str) -> tuple[Listener, ...]:
    """What :func:`write` was given, but for the time of affinity, which nginx has none for: 0.

    Raises ValueError for any other text.
    """
    found = tuple(map(_parse, _UPSTREAM.finditer(text)))
    if write(found) != text:
        raise ValueError("it has other lines than svcform writes")
    return found


def _parse(found: re.Match[str]) -> Listener:
    address, port = parse_place(found["place"])
    servers = tuple(parse_place(line.split()[1]) for line in found["servers"].splitlines())
    return Listener(found["name"], address, port, servers, 0 if found["sticky"] else None)
