"""Whose node it is."""

from __future__ import annotations

from collections.abc import Iterable

from svcform.engine.recorded import Recorded
from svcform.errors import OwnershipRefused
from svcform.plan.snapshot import Snapshot
from svcform.program.layout import LAYOUT


def check_ownership(
    recorded: Recorded, live: Iterable[Snapshot], project_id: str, *, take_over: bool
) -> None:
    """Raise OwnershipRefused for a node that is not this project's, or is too new for us."""
    if recorded.layout > LAYOUT:
        writer = _writer(recorded)
        raise OwnershipRefused(
            f"A newer svcform{writer and f' ({writer})'} wrote the node, with layout "
            f"{recorded.layout}; this one knows layout {LAYOUT}.",
            remedy=f"Use {f'svcform {writer}, or another' if writer else 'a svcform'} that knows "
            f"layout {recorded.layout}.",
        )
    if take_over or recorded.project_id == project_id:
        return
    if recorded.project_id:
        raise OwnershipRefused(
            f"The node belongs to the project {recorded.project_id}, and this is {project_id}.",
            remedy="Plan with --take-over if the node is to change its project.",
        )
    if any(live):
        raise OwnershipRefused(
            "The node has objects of svcform's, and doesn't say whose they are.",
            remedy="Plan with --take-over if they are this project's.",
        )


def _writer(recorded: Recorded) -> str:
    """The version that wrote the node's layout, where one of its receipts says so."""
    versions = (r.svcform for r in reversed(recorded.receipts) if r.layout == recorded.layout)
    return next(versions, "")


def claims(recorded: Recorded, project_id: str) -> bool:
    """Whether an apply changes the project or the layout that the node has recorded."""
    if not recorded.project_id:
        return False
    return recorded.project_id != project_id or recorded.layout != LAYOUT
