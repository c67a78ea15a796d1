"""The plan file: a zip with the plan as JSON, and its big parts once each, by content.

``plan.json`` is the plan, ``blobs/SHA256`` are the parts it refers to, and ``digest`` is the
SHA-256 of ``plan.json``, which through the blobs' names covers everything.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib

from svcform.errors import PlanFileError
from svcform.plan.decode import Decoder
from svcform.plan.encode import FORMAT, Encoder
from svcform.plan.plan import Plan

_BLOBS = "blobs/"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest time that a zip can hold
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, KeyError, NotImplementedError, RuntimeError)


def write(plan: Plan) -> bytes:
    """The bytes of the plan file; the same plan gives the same bytes."""
    encoder = Encoder()
    text = encoder.plan(plan)
    entries = {
        "plan.json": text,
        "digest": _sha256(text).encode(),
        **{_BLOBS + name: data for name, data in encoder.blobs.items()},
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


def digest(plan: Plan) -> str:
    """The plan's digest, 64 hexadecimal digits; every plan prints it."""
    return _sha256(Encoder().plan(plan))


def read(data: bytes) -> Plan:
    """The plan in a plan file.

    Raises PlanFileError for one that is corrupt, truncated, foreign or tampered with.
    """
    entries = _entries(data)
    if "plan.json" not in entries or "digest" not in entries:
        raise PlanFileError("This is no plan file of svcform's: it has no plan in it.")
    text = entries["plan.json"]
    if entries["digest"].decode(errors="replace") != _sha256(text):
        raise PlanFileError("The plan file has been changed since it was written: plan again.")
    blobs = {name[len(_BLOBS) :]: data for name, data in entries.items() if name[:6] == _BLOBS}
    if any(_sha256(content) != name for name, content in blobs.items()):
        raise PlanFileError("The plan file has been changed since it was written: plan again.")
    try:
        value = json.loads(text)
        found = value["format"]
        if found == FORMAT:
            return Decoder(blobs).plan(value)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise PlanFileError("The plan file is damaged: plan again.") from error
    raise PlanFileError(
        f"The plan file has format {found}, and this svcform reads format {FORMAT}: plan again, or "
        "use the svcform that wrote it."
    )


def _entries(data: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    except _BROKEN as error:
        raise PlanFileError(
            "The plan file is damaged or cut short, or it is none: plan again."
        ) from error


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
