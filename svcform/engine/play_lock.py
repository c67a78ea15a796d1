"""A play's lock: two applies of one play never interleave across its nodes.

It lies on the play's first node, by name, whatever ``--limit`` says, and is a lease that this
process renews: nothing of svcform's stays on the node, and a controller that dies is in nobody's
way for longer than the lease.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field

from svcform.engine.observe import Opener
from svcform.errors import LockHeld, NodeError
from svcform.model.node import Node, Play
from svcform.plan.plan import Plan
from svcform.program.reading import shell_source

LEASE = 60
"""Seconds that a lease counts on the node's own clock since boot."""

_RENEW = 15.0
_RETRY = 1.0
_TIMEOUT = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Who wants a lock, and for how long to wait for it (seconds).

    ``on_wait`` is told a node's name and who is in the way there, once for each lock.
    """

    plan: str
    who: str
    source: str
    patience: float = 0
    on_wait: Callable[[str, str], None] | None = None


def lock_nodes(plan: Plan, plays: Sequence[Play]) -> tuple[tuple[str, ...], ...]:
    """For each play that the plan does something in, where its lock may lie, in order.

    The first is the play's first node by name; the others, which the plan has and which could be
    read, are for when nobody can reach it.  A play of one node needs no more than the node's lock.
    Sorted, so that two applies take several locks in the same order.
    """
    sound = {node.node for node in plan.nodes if not node.problem}
    unsound = {node.node for node in plan.nodes if node.problem}
    busy = {node.node for node in plan.nodes if not node.problem and not node.is_empty}
    found = set()
    for play in plays:
        names = sorted(play.nodes)
        if len(names) > 1 and not busy.isdisjoint(names):
            first = () if names[0] in unsound else (names[0],)
            found.add(tuple(dict.fromkeys((*first, *(n for n in names if n in sound)))))
    return tuple(sorted(found))


@contextmanager
def hold(
    places: Sequence[Sequence[str]], nodes: Mapping[str, Node], opener: Opener, claim: Claim
) -> Iterator[Callable[[], bool]]:
    """Hold the locks at these places (as :func:`lock_nodes` has them) for a ``with`` block.

    Gives a question: whether all of them are still held.
    Raises LockHeld where somebody else has one for longer than the claim's patience.
    """
    deadline = time.monotonic() + claim.patience
    with ExitStack() as stack:
        leases: dict[str, _Lease] = {}
        for candidates in places:
            if leases.keys().isdisjoint(candidates[:1]):
                lease = _take_first([nodes[n] for n in candidates], opener, claim, deadline)
                if lease is not None and lease.node.name not in leases:
                    leases[lease.node.name] = lease
                    stack.enter_context(lease.kept())
        yield lambda: all(lease.holds for lease in leases.values())


def _take_first(
    candidates: Sequence[Node], opener: Opener, claim: Claim, deadline: float
) -> _Lease | None:
    """The lease on the first node that answers; None where none does: then there is no apply."""
    for node in candidates:
        lease = _Lease(node=node, opener=opener, claim=claim)
        try:
            lease.take(deadline)
        except LockHeld:
            raise
        except NodeError:
            continue
        return lease
    return None


@dataclass(slots=True, kw_only=True)
class _Lease:
    """One lock on one node; not frozen, for it is renewed in a thread of its own."""

    node: Node
    opener: Opener
    claim: Claim
    run: str = field(default_factory=lambda: secrets.token_hex(8))
    ends: float = 0.0
    lost: bool = False

    @property
    def holds(self) -> bool:
        return not self.lost and time.monotonic() < self.ends

    def take(self, deadline: float) -> None:
        """Take the lock, waiting for it until the deadline."""
        told = False
        while (holder := self._try_to_take()) is not None:
            if time.monotonic() >= deadline:
                raise LockHeld(
                    f"Another apply of this play is under way: {holder}.",
                    remedy="Wait for it with --lock-timeout SECONDS.",
                )
            if not told and self.claim.on_wait:
                self.claim.on_wait(self.node.name, holder)
            told = True
            time.sleep(_RETRY)

    def _try_to_take(self) -> str | None:
        """Who is in the way; None where the lock is ours now."""
        began = time.monotonic()
        word, text = self._say("take")
        if word == "held":
            return text
        if word != "taken":
            raise NodeError(text or "The play's lock can't be taken.")
        self.ends = began + LEASE
        return None

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Renew the lease for the block, then release it."""
        over = threading.Event()
        thread = threading.Thread(target=self._keep, args=(over,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join(timeout=_TIMEOUT)
            # A node that can't be told any more lets the lease run out.
            with suppress(NodeError):
                self._say("release")

    def _keep(self, over: threading.Event) -> None:
        while not over.wait(_RENEW) and not self.lost:
            began = time.monotonic()
            with suppress(NodeError):
                if self._say("renew")[0] == "renewed":
                    self.ends = began + LEASE
                else:
                    # It ran out while the node was out of reach, and may be somebody else's.
                    self.lost = self._try_to_take() is not None

    def _say(self, word: str) -> tuple[str, str]:
        lines = (word, self.run, str(LEASE), self.claim.plan, self.claim.who, self.claim.source)
        return tell(self.node, self.opener, lines)


def tell(node: Node, opener: Opener, lines: Sequence[str]) -> tuple[str, str]:
    """Give the lock's script its lines on a node; its answer, a word and a sentence."""
    given = "".join(f"{' '.join(line.split())}\n" for line in lines).encode()
    with opener(node) as session:
        result = session.exec(shell_source("play_lock.sh"), stdin=given, timeout=_TIMEOUT)
    lines_back = result.stdout.decode(errors="replace").splitlines()
    word, found, text = (lines_back[-1] if lines_back else "").partition("\t")
    if not found:
        said = result.stderr.decode(errors="replace").strip()[-300:]
        raise NodeError(f"The lock's script did not answer on {node.name}: {said}")
    return word, text
