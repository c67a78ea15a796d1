"""The reading script: one constant text for all nodes, and what comes back from it.

Framing: every section stands between two lines that begin with a nonce of 128 random bits, new for
each run, so that nothing which a node prints can be taken for a frame.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from svcform.errors import ReadingFailed

_CALLER = """
everything() {
	exec 4>&1
	facts
%(calls)s
	finish
}
ended() { remark ended "$@"; }
watcher=
! hears || { watch $$ %(limit)s ended </dev/null >/dev/null & watcher=$!; }
if [ "$form" = gzip ] && has gzip; then
	printf 'svcform-reading %%s gzip\\n' "$nonce"
	everything | gzip -1 -c
else
	printf 'svcform-reading %%s plain\\n' "$nonce"
	everything
fi
unwatch "$watcher"
"""

LIMIT = 120
"""Seconds that one tool may take: to list 100,000 endpoints takes ten, and more on a slow node."""


class Section(NamedTuple):
    """One section: its exit code, what it printed, and the tail of its standard error."""

    code: int
    output: bytes
    error: str


@cache
def shell_source(name: str) -> str:
    """The text of a shell script that is shipped beside this module."""
    return files("svcform.program").joinpath(name).read_text(encoding="utf-8")


def reading_script(probes: Iterable[tuple[str, str]], limit: int = LIMIT) -> str:
    """The whole script for these probes (name, sh), in their order.

    A tool that runs for ``limit`` seconds ends it; standard error has a remark for each.
    """
    functions, calls = [], []
    for number, (name, script) in enumerate(probes):
        functions.append(f"probe_{number}() {{\n{script}\n}}\n")
        calls.append(f"\tsection {name} probe_{number}")
    caller = _CALLER % {"calls": "\n".join(calls), "limit": limit}
    sources = [shell_source("reading.sh"), shell_source("watch.sh"), *functions]
    return "\n".join(sources) + caller


def reading_input(nonce: str, *, compress: bool) -> bytes:
    """What the script wants to read from its standard input."""
    return f"{nonce}\n{'gzip' if compress else 'plain'}\n".encode()


def parse_reading(data: bytes, nonce: str) -> Mapping[str, Section]:
    """The sections by name.

    ``data`` may begin with what a login shell printed.  Raises ReadingFailed for an answer that is
    cut short or is none.
    """
    stream = _unpacked(data, nonce)
    mark = nonce.encode()
    sections: dict[str, Section] = {}
    position = 0
    while not stream.startswith(mark + b" done\n", position):
        position = _section(stream, position, mark, sections)
    return sections


def _unpacked(data: bytes, nonce: str) -> bytes:
    header = f"svcform-reading {nonce} ".encode()
    start = data.find(header)
    if start < 0:
        raise ReadingFailed("The node did not answer the reading script as expected.")
    form, _, body = data[start + len(header) :].partition(b"\n")
    if form != b"gzip":
        return body
    try:
        return zlib.decompressobj(wbits=31).decompress(body)
    except zlib.error as error:
        raise ReadingFailed(f"The node's answer can't be unpacked: {error}.") from error


def _section(stream: bytes, position: int, mark: bytes, sections: dict[str, Section]) -> int:
    """Read one section into ``sections``; where the next one begins."""
    begin = mark + b" begin "
    name_end = stream.find(b"\n", position)
    frame = b"\n" + mark + b" end "
    end = stream.find(frame, name_end)
    line_end = stream.find(b"\n", end + len(frame))
    if not stream.startswith(begin, position) or min(name_end, end, line_end) < 0:
        raise ReadingFailed("The node's answer to the reading script is cut short.")
    name = stream[position + len(begin) : name_end].decode()
    code, _, note = stream[end + len(frame) : line_end].decode(errors="replace").partition(" ")
    output = stream[name_end + 1 : end]
    sections[name] = Section(int(code) if code.isdigit() else 1, output, note.strip())
    return line_end + 1
