"""Apply: carry a plan out, node by node, in rolling batches.  Renders and re-plans nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from svcform.engine.observe import Opener, Progress
from svcform.engine.outcome import Outcome
from svcform.model.node import Node
from svcform.plan.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyOptions:
    """How a plan is carried out; times are seconds.

    ``who`` and ``source`` go into the nodes' receipts and locks (``alice``, ``laptop.example``).
    """

    forks: int = 32
    run_timeout: int = 300
    confirm_timeout: int = 30
    who: str = ""
    source: str = ""


def apply(
    plan: Plan,
    nodes: Mapping[str, Node],
    opener: Opener,
    options: ApplyOptions = ApplyOptions(),
    progress: Progress | None = None,
) -> Mapping[str, Outcome]:
    """Carry out the plan on those of its nodes that are in ``nodes``; one outcome each.

    Raises UsageError for a plan with refusals.
    """
    raise NotImplementedError
