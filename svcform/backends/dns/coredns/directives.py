"""What the node's own script is told, as bytes: one directive a line, each with its lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from svcform.backends.dns.coredns.objects import File, Start


def edit(start: Start, serial: int, gone: Iterable[str], come: Iterable[str]) -> Iterator[str]:
    """Take lines out of a zone and put lines in."""
    yield _zone(start, serial)
    yield from (f"-\t{line}" for line in gone)
    yield from (f"+\t{line}" for line in come)


def replace(start: Start, serial: int, lines: Iterable[str]) -> Iterator[str]:
    """Write a whole zone."""
    yield f"{_zone(start, serial)}\twhole"
    yield from (f"+\t{line}" for line in lines)


def _zone(start: Start, serial: int) -> str:
    words = start.lines()[0].split(" ")
    return "\t".join(("zone", start.origin, str(serial), " ".join(words[:6]), " ".join(words[7:])))


def put(file: File) -> Iterator[str]:
    """Write a file."""
    yield f"file\t{file.mode:o}\t{file.path}"
    yield from (f"|\t{line}" for line in file.lines())


def lead(file: File) -> Iterator[str]:
    """Write a file of the node's resolver, and keep what was there."""
    yield f"lead\t{file.mode:o}\t{file.path}"
    yield from (f"|\t{line}" for line in file.lines())


def unlead(path: str) -> str:
    """Put back what was there before :func:`lead`."""
    return f"unlead\t{path}"


def remove(path: str) -> str:
    """Remove a file."""
    return f"remove\t{path}"


def retire(path: str) -> str:
    """Put a program aside, where the last one that was is."""
    return f"retire\t{path}"


def revive(path: str) -> str:
    """Take a program back that was put aside."""
    return f"revive\t{path}"


def service(verb: str) -> str:
    """Act on the unit."""
    return f"service\t{verb}"


PROVE = "prove"
"""Ask the running server for what was changed."""

PROVE_LATE = "prove-late"
"""Ask it for its Corefile where the proxy was in the way before."""


def wait(seconds: int) -> str:
    """Do nothing for a while."""
    return f"wait\t{seconds}"


def encode(lines: Iterable[str]) -> bytes:
    """The script's standard input."""
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
