"""The constant scripts of this backend: each behind what they share."""

from __future__ import annotations

from importlib.resources import files


def _read(name: str) -> str:
    return files("svcform.backends.dns.coredns").joinpath(name).read_text(encoding="utf-8")


_COMMON = _read("common.sh")
LOOK = _COMMON + _read("look.sh")
BRING = _read("bring.sh")
SETTLE = _COMMON + _read("settle.sh")
FINGERPRINT = _COMMON + _read("fingerprint.sh")
SAVE = _COMMON + _read("save.sh")
RESTORE = _COMMON + _read("restore.sh")
