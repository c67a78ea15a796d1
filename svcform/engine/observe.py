"""Observe: one exec a node, all facts and all readings; changes nothing on the node."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from svcform.backends.contract import Reading
from svcform.engine.recorded import Recorded
from svcform.errors import NodeError
from svcform.model.facts import Facts
from svcform.model.node import Node
from svcform.transport.contract import Binding, Session

Opener = Callable[[Node], Session]
"""Opens a session to a node; raises a NodeError where it can't."""

Progress = Callable[[str, str], None]
"""Told of a node's name and of the stage it has reached: ``observed``, ``applied``, …"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What one node is, and what svcform has there: facts, raw readings, and its memory."""

    facts: Facts
    readings: Mapping[str, Reading] = field(repr=False)
    recorded: Recorded
    binding: Binding


def observe(
    nodes: Sequence[Node], opener: Opener, *, forks: int = 32, progress: Progress | None = None
) -> Mapping[str, Observation | NodeError]:
    """Read all nodes, at most ``forks`` at a time; one outcome each, whatever the others do."""
    raise NotImplementedError
