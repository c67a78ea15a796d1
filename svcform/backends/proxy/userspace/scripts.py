"""The constant scripts of this backend: each behind what they share."""

from __future__ import annotations

from importlib.resources import files

from svcform.program.unit import UNIT_FUNCTIONS


def _read(name: str) -> str:
    return files("svcform.backends.proxy.userspace").joinpath(name).read_text(encoding="utf-8")


_COMMON = UNIT_FUNCTIONS + _read("common.sh")
LOOK = _COMMON + _read("look.sh")
SETTLE = _COMMON + _read("settle.sh")
FINGERPRINT = _read("fingerprint.sh")
SAVE = _COMMON + _read("save.sh")
RESTORE = _COMMON + _read("restore.sh")
