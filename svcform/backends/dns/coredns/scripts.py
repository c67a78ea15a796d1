"""The constant scripts of this backend: each behind what they share."""

from __future__ import annotations

from importlib.resources import files


def _read(name: str) -> str:
    return files("svcform.backends.dns.coredns").joinpath(name).read_text(encoding="utf-8")


FUNCTIONS = _read("common.sh")
LOOK = FUNCTIONS + _read("look.sh")
BRING = _read("bring.sh")
SETTLE = FUNCTIONS + _read("settle.sh")
FINGERPRINT = FUNCTIONS + _read("fingerprint.sh")
SAVE = FUNCTIONS + _read("save.sh")
RESTORE = FUNCTIONS + _read("restore.sh")
