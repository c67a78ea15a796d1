"""Unlock: take away the locks on a node whose owners are gone, and only those."""

from __future__ import annotations

from dataclasses import dataclass

from svcform.engine.observe import Observation, Opener, observe
from svcform.engine.play_lock import tell
from svcform.engine.progress import Progress
from svcform.errors import NodeError
from svcform.model.node import Node
from svcform.plan.receipt import LockHolder


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlocked:
    """What was done to a node's locks; what is ``held`` has a live owner and was left alone."""

    removed: tuple[LockHolder, ...]
    held: tuple[LockHolder, ...]


def unlock(node: Node, opener: Opener, progress: Progress | None = None) -> Unlocked:
    """Remove what was left behind.  Raises NodeError.

    A run that ended in the middle is put in order by the next one, with or without its lock.
    """
    seen = observe([node], opener, progress=progress)[node.name]
    if not isinstance(seen, Observation):
        raise seen
    found = (("unlock", seen.recorded.lock), ("release", seen.recorded.play_lock))
    locks = [(word, lock) for word, lock in found if lock is not None]
    for word, lock in locks:
        if not lock.alive:
            answer, text = tell(node, opener, (word, lock.run, "0", "", "", ""))
            if answer != "released":
                raise NodeError(text)
    return Unlocked(
        removed=tuple(lock for _, lock in locks if not lock.alive),
        held=tuple(lock for _, lock in locks if lock.alive),
    )
