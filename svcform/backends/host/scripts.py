"""The constant scripts of this backend."""

from __future__ import annotations

from importlib.resources import files

from svcform.program.reading import shell_source
from svcform.program.unit import UNIT_FUNCTIONS


def _read(name: str) -> str:
    return files("svcform.backends.host").joinpath(name).read_text(encoding="utf-8")


_UNITS = UNIT_FUNCTIONS + _read("units.sh")
_LINK = _read("link.sh")
_KEEP = shell_source("keep.sh")
_FUNCTIONS = _UNITS + _read("routes.sh") + _LINK

LOOK = _FUNCTIONS + _read("look.sh")
SETTLE = _UNITS + _LINK + _KEEP + _read("settle.sh")
SAVE = _FUNCTIONS + _KEEP + _read("save.sh")
RESTORE = _FUNCTIONS + _read("restore.sh")

#: What LOOK prints, of those (kind, key) that stand on standard input.
FINGERPRINT = f"""look() {{
{LOOK}
}}
operands=$(cat)
look | awk -F '\t' -v operands="$operands" '
BEGIN {{ n = split(operands, lines, "\\n"); for (i = 1; i <= n; i++) wanted[lines[i]] }}
($1 "\t" $2) in wanted'
"""
