"""Nodes that an apply has emptied (``state: absent``) leave the lock file."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping

from svcform.cli.console import Console
from svcform.cli.files import shown
from svcform.cli.proposing import Proposal
from svcform.cli.reading import is_locked
from svcform.engine.outcome import Outcome
from svcform.inputs import lock_changes, lockfile
from svcform.plan.plan import NodePlan
from svcform.views.text import clean


def release(
    arguments: Namespace, out: Console, proposal: Proposal, outcomes: Mapping[str, Outcome]
) -> None:
    """Take absent nodes that are empty now out of the lock file, or say who has to.

    Until then they stay managed: a node that was unreachable when its play became absent would
    otherwise keep its Services for ever, and nobody would know.
    """
    lock, _ = lockfile.read(proposal.lock_path)
    names = [
        node.node
        for node in proposal.plan.nodes
        # An older plan, or a way back, may know nothing of ``state: absent``.
        if node.absent
        and node.node in lock.nodes
        and node.node in proposal.nodes
        and proposal.nodes[node.node].absent
        and _is_emptied(node, outcomes.get(node.node))
    ]
    if not names:
        return
    for name in names:
        lock = lock_changes.forget(lock, name)
    told = clean(", ".join(names))
    if is_locked(arguments):
        out.say(f"Empty now: {told}. Run `svcform forget` where you write the manifests.")
        return
    lockfile.write(proposal.lock_path, lockfile.render(lock))
    out.say(f"Empty, and no longer managed: {told}; commit {shown(proposal.lock_path)}.")


def _is_emptied(plan: NodePlan, outcome: Outcome | None) -> bool:
    return plan.is_empty if outcome is None else not outcome.failed
