"""The order of steps over all backends: make before break, and removal the other way round."""

from __future__ import annotations

from collections.abc import Sequence

from svcform.program.program import Phase, Program, Step


def join_programs(programs: Sequence[Program]) -> Program:
    """One program of those of all backends, which come in the registry's order.

    Within a phase the backends' order holds, from BREAK on its reverse.  A backend's own steps of
    a phase stay in their order.
    """
    return Program(
        steps=_ordered([program.steps for program in programs]),
        undo=_ordered([program.undo for program in programs]),
        fingerprints=tuple(f for program in programs for f in program.fingerprints),
    )


def _ordered(steps: Sequence[Sequence[Step]]) -> tuple[Step, ...]:
    placed = [
        ((step.phase, rank if step.phase < Phase.BREAK else -rank), step)
        for rank, own in enumerate(steps)
        for step in own
    ]
    return tuple(step for _, step in sorted(placed, key=lambda entry: entry[0]))
