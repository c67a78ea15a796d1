"""Progress: a live line on a terminal once a second has gone by, plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self, TextIO

from svcform.views.text import clean, shorten

_PATIENCE = 1.0


class Wait(Protocol):
    """A node that others wait for."""

    @property
    def node(self) -> str:
        """Its name."""
        ...

    @property
    def seconds(self) -> int:
        """For how long."""
        ...

    @property
    def what(self) -> str:
        """What holds it up, or empty."""
        ...


class NodeProgress:
    """Counts nodes as they reach a stage; call it with a node's name and the stage.

    On a terminal one live line appears after a second and vanishes at the end.  Elsewhere, with
    ``lines`` each call writes ``node: stage``, so that a pipeline's log shows what happens.
    """

    def __init__(self, stream: TextIO, verb: str, total: int, *, lines: bool = False) -> None:
        self._stream = stream
        self._verb = verb
        self._total = total
        self._live = stream.isatty()
        self._lines = lines and not self._live
        self._stages: dict[str, str] = {}
        self._waits: dict[str, str] = {}
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Start the live line where there is a terminal."""
        if self._live and self._total:
            self._thread = threading.Thread(target=self._show, daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the live line away."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def __call__(self, node: str, stage: str) -> None:
        """A node has reached a stage."""
        with self._lock:
            self._stages[node] = stage
            self._waits.pop(node, None)
            if self._lines:
                self._stream.write(f"{clean(node)}: {clean(stage)}\n")
                self._stream.flush()

    def wait(self, waits: Sequence[Wait]) -> None:
        """These nodes take long: a line of their own where there is no terminal."""
        if not self._total:
            return
        names = {
            wait.node: f"{wait.node} ({wait.what})" if wait.what else wait.node for wait in waits
        }
        with self._lock:
            self._waits |= names
        if not self._live:
            told = clean(shorten(list(names.values())))
            seconds = min(wait.seconds for wait in waits)
            self._stream.write(f"{self._verb}, still waiting after {seconds} s for {told}\n")
            self._stream.flush()

    def _text(self) -> str:
        with self._lock:
            last = list(self._stages.items())[-1:]
            count = len(self._stages)
            waits = list(self._waits.values())
        latest = "".join(f"  {clean(node)}: {clean(stage)}" for node, stage in last)
        if waits:
            latest = f"  waiting for {clean(shorten(waits, 3))}"
        return f"{self._verb} {count}/{self._total} nodes{latest}"

    def _show(self) -> None:
        if self._over.wait(_PATIENCE):
            return
        # rich takes a tenth of a second to import: only those who see it pay for it.
        from rich.console import Console  # noqa: PLC0415
        from rich.live import Live  # noqa: PLC0415
        from rich.spinner import Spinner  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        spinner = Spinner("dots")
        console = Console(file=self._stream)
        began = time.monotonic() - _PATIENCE
        with Live(spinner, console=console, transient=True, refresh_per_second=10):
            while not self._over.wait(0.1):
                seconds = time.monotonic() - began
                spinner.update(text=Text(f"{self._text()}  {seconds:.0f} s"))
