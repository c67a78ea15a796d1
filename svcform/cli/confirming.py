"""Who confirms an apply to this very machine, where a new connection proves nothing."""

from __future__ import annotations

import select
import sys
import threading
import time
from argparse import Namespace
from collections.abc import Callable

from svcform.cli.console import Console
from svcform.cli.proposing import Proposal
from svcform.errors import UsageError
from svcform.views.text import clean

Answer = Callable[[str, int], bool]
"""Whether somebody says yes for a node, within so many seconds."""


def who_answers(arguments: Namespace, out: Console, proposal: Proposal) -> Answer | None:
    """Who answers for the nodes that have the local connection; None where nobody has to.

    Raises UsageError where nobody could.
    """
    concerned = [
        plan.node
        for plan in proposal.plan.nodes
        if plan.node in proposal.nodes
        and proposal.nodes[plan.node].connection.kind == "local"
        and not plan.is_empty
        and not plan.problem
    ]
    if not concerned or arguments.confirm == "checks":
        return None
    if out.json or not out.interactive:
        why = "the output is JSON" if out.json else "there is no terminal"
        raise UsageError(
            f"Nothing was touched: {concerned[0]} has the local connection, where a new connection "
            f"proves nothing, and {why} to type an answer on. Use --confirm=checks."
        )
    return _Prompt(out)


class _Prompt:
    """Asks at the terminal, one node after the other."""

    def __init__(self, out: Console) -> None:
        self._out = out
        self._turn = threading.Lock()

    def __call__(self, node: str, seconds: int) -> bool:
        deadline = time.monotonic() + seconds
        with self._turn:
            stream = self._out.stderr
            stream.write(f"{clean(node)}: type yes within {seconds} s to keep the new state: ")
            stream.flush()
            readable, _, _ = select.select([sys.stdin], [], [], max(deadline - time.monotonic(), 0))
            if not readable:
                stream.write("\n")
                return False
            return sys.stdin.readline().strip() == "yes"
