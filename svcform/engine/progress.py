"""What is told while nodes are worked on: how far they are, and what the slow ones wait for."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from svcform.errors import ReadingFailed

_FIRST = 10.0


@dataclass(frozen=True, slots=True)
class Wait:
    """A node that others wait for, for so many seconds; ``what`` holds it up, as far as it says."""

    node: str
    seconds: int
    what: str = ""


class Progress(Protocol):
    """Told of nodes, in the calling thread."""

    def __call__(self, node: str, stage: str) -> None:
        """A node has reached a stage: ``observed``, ``applied``, and so on."""
        ...

    def wait(self, waits: Sequence[Wait]) -> None:
        """These nodes have taken ten seconds, twenty, forty, and so on."""
        ...


@dataclass(frozen=True, slots=True)
class Remarks:
    """What nodes say while their scripts run (``program/watch.sh``): the latest of each by name."""

    latest: dict[str, str] = field(default_factory=dict)

    def listener(self, node: str) -> Callable[[str], None]:
        """Hears one node's remarks.  Raises ReadingFailed for a script that was ended."""

        def hear(remark: str) -> None:
            kind, _, rest = remark.partition("\t")
            seconds, _, what = rest.partition("\t")
            if kind == "ended":
                raise ReadingFailed(
                    f"The reading was ended: the node was still at {what!r} after {seconds} s.",
                    remedy="Look there what that waits for.",
                )
            self.latest[node] = what

        return hear


class Patience:
    """When to tell of which node."""

    def __init__(self) -> None:
        self._next: dict[str, float] = {}

    def due(self, since: Mapping[str, float], said: Mapping[str, str]) -> list[Wait]:
        """Those nodes to tell of now, from when each began (``time.monotonic``)."""
        found = []
        for node, began in since.items():
            seconds = time.monotonic() - began
            if seconds >= self._next.get(node, _FIRST):
                found.append(Wait(node, int(seconds), said.get(node, "")))
            while seconds >= self._next.setdefault(node, _FIRST):
                self._next[node] *= 2
        return found
