"""The same work on many nodes: some at a time, one outcome for each."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from svcform.engine.progress import Patience, Remarks, Wait
from svcform.errors import Interrupted, NodeError, SvcformError
from svcform.model.node import Node

FORKS = 32

T = TypeVar("T")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Crew(Generic[T]):
    """Threads that take nodes from a queue.

    They are daemons, unlike those of ``concurrent.futures``: leaving must not wait for a node.
    """

    work: Callable[[Node], T]
    waiting: queue.SimpleQueue[Node]
    done: list[tuple[Node, T | NodeError]] = field(default_factory=list)
    bell: queue.SimpleQueue[None] = field(default_factory=queue.SimpleQueue)
    stopped: threading.Event = field(default_factory=threading.Event)
    busy: dict[str, float] = field(default_factory=dict)

    def start(self, count: int) -> None:
        started = 0
        while started < count:
            try:
                while started < count:
                    threading.Thread(target=self._serve, daemon=True).start()
                    started += 1
            except KeyboardInterrupt:
                if self.stopped.is_set():
                    raise
                self.stopped.set()

    def _serve(self) -> None:
        while True:
            try:
                node = self.waiting.get_nowait()
            except queue.Empty:
                return
            self.busy[node.name] = time.monotonic()
            outcome = self._outcome(node)
            self.busy.pop(node.name, None)
            self.done.append((node, outcome))
            self.bell.put(None)

    def _outcome(self, node: Node) -> T | NodeError:
        if self.stopped.is_set():
            return Interrupted(f"{node.name} was not started: interrupted.")
        try:
            return self.work(node)
        except NodeError as error:
            return error
        except SvcformError as error:
            return _because(NodeError(str(error)), error)
        except Exception as error:  # noqa: BLE001 - one node's failure never hides another's
            return _because(_defect(node, error), error)


@dataclass(frozen=True, slots=True)
class Underway(Generic[T]):
    """Work that has begun on some nodes."""

    nodes: Sequence[Node]
    remarks: Remarks
    _crew: _Crew[T]

    def outcomes(
        self,
        on_done: Callable[[Node, T | NodeError], None] | None = None,
        on_interrupt: Callable[[Sequence[str]], None] | None = None,
        on_wait: Callable[[Sequence[Wait]], None] | None = None,
    ) -> Mapping[str, T | NodeError]:
        """Wait for all nodes: outcomes by name, in nodes' order.

        ``on_done`` is called in the calling thread for each node.  The first Ctrl-C starts no more
        nodes, whose outcome then is ``Interrupted``, and waits for those that run, whose names
        ``on_interrupt`` is told; the second raises ``KeyboardInterrupt``, and ``on_interrupt`` may
        (:func:`leave`), where nothing is lost by leaving at once.  ``on_wait`` is told of
        nodes that take long, with what they said last in ``remarks``.
        """
        told, crew, patience = 0, self._crew, Patience()
        interrupted = on_interrupt
        while told < len(self.nodes):
            try:
                if crew.stopped.is_set() and interrupted is not None:
                    interrupted(sorted(crew.busy.copy()))
                    interrupted = None
                # An interrupt can take what a call has just returned: nothing hangs on one bell.
                with suppress(queue.Empty):
                    crew.bell.get(timeout=0.2)
                for node, outcome in crew.done[told:]:
                    told += 1
                    if on_done is not None:
                        on_done(node, outcome)
                waits = patience.due(crew.busy.copy(), self.remarks.latest)
                if waits and on_wait is not None:
                    on_wait(waits)
            except KeyboardInterrupt:
                if crew.stopped.is_set():
                    raise
                crew.stopped.set()
        # It can come just when the last node ends, and more work may follow on this.
        if crew.stopped.is_set() and interrupted is not None:
            interrupted(())
        found = {node.name: outcome for node, outcome in crew.done}
        return {node.name: found[node.name] for node in self.nodes}


def begin(
    nodes: Sequence[Node],
    work: Callable[[Node], T],
    forks: int = FORKS,
    remarks: Remarks | None = None,
) -> Underway[T]:
    """Begin the work on every node, at most ``forks`` at a time, in threads of its own.

    ``remarks`` is where the work puts what nodes say meanwhile.
    """
    crew: _Crew[T] = _Crew(work, queue.SimpleQueue())
    for node in nodes:
        crew.waiting.put(node)
    crew.start(min(max(forks, 1), len(nodes)))
    return Underway(nodes, remarks or Remarks(), crew)


def run(
    nodes: Sequence[Node],
    work: Callable[[Node], T],
    forks: int = FORKS,
    on_done: Callable[[Node, T | NodeError], None] | None = None,
    on_interrupt: Callable[[Sequence[str]], None] | None = None,
) -> Mapping[str, T | NodeError]:
    """Do the work on every node and wait for it, as :meth:`Underway.outcomes` says.

    A node's failure is its outcome and never another's.
    """
    return begin(nodes, work, forks).outcomes(on_done, on_interrupt)


def leave(names: Sequence[str]) -> None:  # noqa: ARG001 - an ``on_interrupt``
    """Wait for no node."""
    raise KeyboardInterrupt


def _because(outcome: NodeError, cause: Exception) -> NodeError:
    outcome.__cause__ = cause
    return outcome


def _defect(node: Node, error: Exception) -> NodeError:
    """A mistake of svcform's own; ``-vv`` shows the log, and with it where it happened."""
    _log.debug("%s: unexpected %s", node.name, type(error).__name__, exc_info=error)
    text = f"{type(error).__name__}: {error}".rstrip(": ")
    return NodeError(
        f"svcform itself failed while it worked on {node.name} ({text}).",
        remedy="This is a defect of svcform's: run it again with -vv and report what it prints.",
    )
