"""Whether the servers run, as part of what must not have moved between plan and apply.

Files alone don't tell a plan that starts a dead server from its own result: when the server dies
again, that very plan would count as applied.
"""

from __future__ import annotations

from svcform.backends.contract import RenderInput
from svcform.backends.proxy.userspace.objects import Running
from svcform.backends.proxy.userspace.scripts import SCRIPTS
from svcform.plan.diff import Change
from svcform.program.program import Fingerprint


def fingerprints(inputs: RenderInput, backend: str) -> tuple[Fingerprint, ...]:
    """What the servers concerned were seen to do; nothing where none of them starts or stops."""
    concerned = {x.address: x for x in map(_running, inputs.changes) if x}
    if not concerned:
        return ()
    operands, expected = [], []
    for address, running in sorted(concerned.items()):
        found = inputs.live.get(address)
        operands.append(running.server.value)
        expected.append(_STATES[found.is_current if isinstance(found, Running) else None])
    return (
        Fingerprint(
            backend=backend,
            script=SCRIPTS[backend].alive,
            operands=_encode(operands),
            expected=_encode(expected),
        ),
    )


#: As ``alive.sh`` says it.
_STATES = {None: "-", False: "stale", True: "current"}


def _running(change: Change) -> Running | None:
    found = change.before or change.after
    return found if isinstance(found, Running) else None


def _encode(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()
