"""Propose: intents and observations in, a plan out.  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from svcform.engine.observe import Observation
from svcform.errors import NodeError
from svcform.model.workspace import Workspace
from svcform.plan.plan import Plan
from svcform.policy.intent import Intent


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposeOptions:
    """What the command line allows and narrows.

    ``targets`` and ``exclude`` are patterns of Services: ``namespace/name`` with globs, or
    ``label=value``; what is not targeted is neither changed nor deleted.  With ``destroy`` every
    node is emptied.
    """

    targets: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    allow_deletions: bool = False
    allow_renumber: bool = False
    allow_unreachable: bool = False
    take_over: bool = False
    destroy: bool = False


def propose(
    workspace: Workspace,
    intents: Mapping[str, Intent],
    observations: Mapping[str, Observation | NodeError],
    options: ProposeOptions = ProposeOptions(),
) -> Plan:
    """The plan for all nodes of the workspace that were observed, in the plays' order.

    A node that can't be planned is in it with its problem; guards that speak up are in
    ``refusals``.  Never raises for a node.
    """
    raise NotImplementedError
