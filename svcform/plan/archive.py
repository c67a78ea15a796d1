"""The form of svcform's own files: a zip with one JSON text, and its big parts once each.

``NAME.json`` is the text, ``blobs/SHA256`` are the parts that it refers to, and ``digest`` is the
SHA-256 of the text, which through the blobs' names covers everything.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from svcform.errors import PlanFileError

_BLOBS = "blobs/"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest time that a zip can hold
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, KeyError, NotImplementedError, RuntimeError,
           ValueError, OSError)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of file: its text's name in the zip, and the words of its errors."""

    name: str
    noun: str
    remedy: str


PLAN = Kind(name="plan", noun="plan file", remedy="plan again")
READING = Kind(name="reading", noun="reading", remedy="observe again")


def pack(kind: Kind, text: bytes, blobs: Mapping[str, bytes]) -> bytes:
    """The file's bytes; the same content gives the same bytes."""
    entries = {
        f"{kind.name}.json": text,
        "digest": sha256(text).encode(),
        **{_BLOBS + name: data for name, data in blobs.items()},
    }
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in sorted(entries):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3
            info.external_attr = 0o600 << 16
            archive.writestr(info, entries[name])
    return stream.getvalue()


def unpack(kind: Kind, data: bytes) -> tuple[bytes, Mapping[str, bytes]]:
    """The text and the blobs.  Raises PlanFileError for a file that is not whole and untouched."""
    entries = _entries(kind, data)
    text = entries.get(f"{kind.name}.json")
    if text is None or "digest" not in entries:
        raise PlanFileError(f"This is no {kind.noun} of svcform's: it has no {kind.name} in it.")
    blobs = {name[len(_BLOBS) :]: data for name, data in entries.items() if name[:6] == _BLOBS}
    whole = entries["digest"].decode(errors="replace") == sha256(text)
    if not whole or any(sha256(content) != name for name, content in blobs.items()):
        raise PlanFileError(
            f"The {kind.noun} has been changed since it was written: {kind.remedy}."
        )
    return text, blobs


def damaged(kind: Kind) -> PlanFileError:
    """The error for a text that is whole and makes no sense."""
    return PlanFileError(f"The {kind.noun} is damaged: {kind.remedy}.")


def foreign(kind: Kind, found: object, known: int) -> PlanFileError:
    """The error for a format that this svcform doesn't read."""
    return PlanFileError(
        f"The {kind.noun} has format {found}, and this svcform reads format {known}: "
        f"{kind.remedy}, or use the svcform that wrote it."
    )


def sha256(data: bytes) -> str:
    """64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def _entries(kind: Kind, data: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    except _BROKEN as error:
        raise PlanFileError(
            f"The {kind.noun} is damaged or cut short, or it is none: {kind.remedy}."
        ) from error
