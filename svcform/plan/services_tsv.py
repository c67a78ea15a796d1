r"""``services.tsv``: the table of Services as a node keeps it.

One row a line, six columns between tabs (name, protocol, family, frontends, endpoints, notes), the
entries of the last three between ``|``; a backslash before ``\\``, ``|``, ``t`` or ``n`` escapes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from svcform.plan.services import ServiceRow

_ESCAPES = str.maketrans({"\\": "\\\\", "|": "\\|", "\t": "\\t", "\n": "\\n"})
_PLAIN = {"t": "\t", "n": "\n"}
_ENTRY = re.compile(r"(?:[^|\\]|\\.)+")


def write_rows(rows: Iterable[ServiceRow]) -> bytes:
    """The rows, one a line."""
    return "".join([_line(row) for row in rows]).encode()


def read_rows(data: bytes) -> tuple[ServiceRow, ...]:
    """The rows of :func:`write_rows`, sorted by key; raises ValueError for anything else."""
    rows = [_row(line) for line in data.decode().split("\n") if line]
    rows.sort(key=lambda row: row.key)
    return tuple(rows)


def _line(row: ServiceRow) -> str:
    return "\t".join((*map(_escaped, row[:3]), *map(_joined, row[3:]))) + "\n"


def _joined(entries: Sequence[str]) -> str:
    # Of 100,000 endpoints none has anything to escape; to look at all of them at once is enough.
    text = "|".join(entries)
    bars = max(len(entries) - 1, 0)
    if "\\" in text or "\t" in text or "\n" in text or text.count("|") != bars:
        return "|".join(map(_escaped, entries))
    return text


def _row(line: str) -> ServiceRow:
    name, protocol, family, frontends, endpoints, notes = line.split("\t")
    return ServiceRow(
        _unescaped(name),
        _unescaped(protocol),
        _unescaped(family),
        _entries(frontends),
        _entries(endpoints),
        _entries(notes),
    )


def _entries(text: str) -> tuple[str, ...]:
    if "\\" not in text:
        return tuple(text.split("|")) if text else ()
    return tuple(_unescaped(entry) for entry in _ENTRY.findall(text))


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    return re.sub(r"\\(.)", lambda found: _PLAIN.get(found[1], found[1]), text)
