"""Files that are not UTF-8: where, and what to say."""

from __future__ import annotations

import codecs

from svcform.diagnostics import Location

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def place_of(error: UnicodeDecodeError, file: str) -> Location:
    """The line and column of the first byte that is not UTF-8; the whole file was decoded."""
    before = error.object[: error.start]
    line = before[before.rfind(b"\n") + 1 :].decode(errors="replace")
    return Location(file, before.count(b"\n") + 1, len(line) + 1)


def not_utf8(error: UnicodeDecodeError) -> str:
    """What is wrong, and what to do, as the end of a sentence."""
    if error.object.startswith(_UTF_16):
        return "it is UTF-16. Save it as UTF-8."
    byte = error.object[error.start]
    return f"it is not UTF-8 (the byte 0x{byte:02x}). Save it as UTF-8."
