"""The reading that an apply leaves on a node: what a user reads with whom sudo allows nothing else.

It is the reading script of the svcform that applied, behind a few lines of its own: they say whose
it is, and trust nothing that a user's environment could bring along.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache

from svcform.errors import BecomeFailed, ReadingFailed
from svcform.program.layout import STATE_DIRECTORY
from svcform.transport.contract import BECAME, ExecResult, Installed

#: Where it lies; root's, like the folder.
READING = Installed(f"{STATE_DIRECTORY}/reading")

_HEAD = """\
# What a user may run as root who only plans: sh {path}
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
SVCFORM_STATE=${{0%/*}}
export PATH SVCFORM_STATE
printf '\\n%s\\n' {became}
printf '\\n%s\\n' {became} >&2
{mark}
"""


@cache
def installed_head(script: str) -> str:
    """What stands before the reading script where it is installed."""
    return _HEAD.format(path=READING.path, became=BECAME, mark=f"echo {_mark(script)}")


def read_by_installed(run: Callable[[Installed], ExecResult], script: str) -> ExecResult | None:
    """What the installed script answers, or None where it isn't there or is not allowed either.

    ``run`` is a session's exec, with all that the script wants.  Raises ReadingFailed where it is
    that of another svcform.
    """
    try:
        result = run(READING)
    except BecomeFailed:
        return None
    if not result.stdout.startswith(_mark(script).encode() + b"\n"):
        raise ReadingFailed(
            f"{READING.path} on the node was left by another version of svcform.",
            remedy="Apply once with this version, as a user whom sudo allows more.",
        )
    return result


def _mark(script: str) -> str:
    return f"svcform-installed {hashlib.sha256(script.encode()).hexdigest()[:32]}"
