"""A conversation with a run on a node, which goes on when its connection is lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from svcform.engine.observe import Opener
from svcform.errors import HostKeyMismatch, NodeError, Unreachable
from svcform.model.node import Node
from svcform.program.bundle import ask_script
from svcform.transport.contract import Binding, ExecResult, Listener

UNKNOWN = "unknown"
"""The outcome of a run that the node knows nothing of."""

_PAUSES = (0.2, 0.5, 1.0, 2.0)
_LAST_PAUSE = 3.0
_TRIES = 3
"""What is no matter of reach (a password, a key) is tried as often as this."""

_SILENT = 2
"""So many tries without an answer are no hiccup."""

_SAID = {0, 1}
"""The exit codes of a runner that came to its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the runner says: a word, a sentence, its journal, and the bytes of a reading."""

    outcome: str
    detail: str
    journal: tuple[str, ...]
    reading: bytes = field(repr=False)


def parse_answer(result: ExecResult) -> Answer:
    """The runner's answer: lines of key and value, an empty line, then a reading, if any.

    Raises Unreachable for one that did not come to its end, as a lost connection's doesn't.
    """
    start = result.stdout.find(b"outcome\t")
    head, end, reading = result.stdout[max(start, 0) :].partition(b"\n\n")
    if start < 0 or not end or result.code not in _SAID:
        said = result.stderr.decode(errors="replace").strip()[-300:] or "it said nothing"
        raise Unreachable(f"The runner ended before its answer did ({said}).")
    lines = [line.partition("\t") for line in head.decode(errors="replace").splitlines()]
    first = {key: value for key, _, value in reversed(lines)}
    return Answer(
        outcome=first.get("outcome", "error"),
        detail=first.get("detail", ""),
        journal=tuple(value for key, _, value in lines if key == "journal"),
        reading=reading,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The way to a run's runner; ``binding`` is where the run was started.

    ``on_silence`` hears the node's name and the seconds that it is still waited for, once it can't
    be reached, nor a moment later.  ``listener`` hears what the node says meanwhile.
    """

    node: Node
    opener: Opener
    binding: Binding
    run: str
    on_silence: Callable[[str, int], None] | None = None
    listener: Listener | None = None

    def ask(self, word: str, patience: float, why: str = "") -> Answer:
        """Hand a word to the runner, and why, over connections of their own.

        A connection that fails is tried again for ``patience`` seconds, and once after them.
        Raises the NodeError of the last one.
        """
        deadline = time.monotonic() + patience
        for tries, pause in enumerate(_pauses(), start=1):
            late = time.monotonic() >= deadline
            try:
                return self._ask_once(
                    (word, self.run, why), max(deadline - time.monotonic(), 0.0) + 60.0
                )
            except NodeError as error:
                hopeless = not isinstance(error, Unreachable) and tries >= _TRIES
                if late or hopeless:
                    raise
            if tries == _SILENT and self.on_silence:
                self.on_silence(self.node.name, max(int(deadline - time.monotonic()), 1))
            time.sleep(min(pause, max(deadline - time.monotonic(), 0.1)))
        raise AssertionError("pauses never end")

    def _ask_once(self, words: Sequence[str], timeout: float) -> Answer:
        with self.opener(self.node) as session:
            if session.binding.host_key != self.binding.host_key:
                raise HostKeyMismatch(
                    f"Another machine answers at {session.binding.address} now: its host key is "
                    f"{session.binding.host_key}."
                )
            script = ask_script(*words)
            return parse_answer(session.exec(script, timeout=timeout, listener=self.listener))


def _pauses() -> Iterator[float]:
    yield from _PAUSES
    while True:
        yield _LAST_PAUSE
