"""A plan: for each node what changes, the bytes that do it, and what binds them to the node.

Deterministic: nothing in it says who or when; that belongs in receipts.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from svcform.diagnostics import Diagnostic
from svcform.plan.diff import Change
from svcform.plan.services import ServiceChange, ServiceRow
from svcform.plan.snapshot import ObjectAddress
from svcform.program.program import Checkpoint, Program


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeBinding:
    """What binds a plan to a machine; credentials never enter it."""

    connection: str
    address: str
    port: int
    host_key: str
    machine_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why a node has no plan: ``reason`` is the stable word of a NodeError."""

    reason: str
    message: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePlan:
    """The plan of one node.

    With ``problem`` set nothing else is: the node couldn't be read, or is refused.
    ``changes`` come from all backends.  ``services`` is the table of after the apply.
    ``drift`` are the addresses of changes that no ServiceChange explains: somebody else's doing,
    or a repair.  ``layout`` and ``project`` are what was found on the node, 0 and empty for none.
    ``before`` and ``after`` are digests of all that is svcform's there, for the receipt.
    ``locked_by`` describes who held the node's lock while it was read, or is empty.
    ``cuts`` are sentences about connections to the node that its new rules would cut, each with the
    rule; the plan's refusals come of them, and the plan file keeps only those.
    With ``claims`` the apply writes the node's project id or layout version anew.
    """

    node: str
    plays: tuple[int, ...] = ()
    binding: NodeBinding | None = None
    changes: tuple[Change, ...] = ()
    service_changes: tuple[ServiceChange, ...] = ()
    services: tuple[ServiceRow, ...] = field(default=(), repr=False)
    program: Program = field(default_factory=Program, repr=False)
    checkpoints: tuple[Checkpoint, ...] = field(default=(), repr=False)
    drift: tuple[ObjectAddress, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    absent: bool = False
    layout: int = 0
    project: str = ""
    before: str = ""
    after: str = ""
    locked_by: str = ""
    cuts: tuple[str, ...] = ()
    claims: bool = False
    problem: Problem | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do on this node."""
        if self.problem or self.claims or (self.absent and self.project):
            return False
        return not self.changes and not self.service_changes


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Nodes that are applied together, from a play's ``serial``.

    The run stops after it where more than ``max_fail_percentage`` of its nodes failed (None: where
    all of them did), as Ansible has it.
    """

    nodes: tuple[str, ...]
    max_fail_percentage: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All nodes of one run, in the order in which they are applied, and in rolling batches.

    ``refusals`` are guards that spoke up (SVC50x): with one of them the plan can't be applied.
    """

    project_id: str
    nodes: tuple[NodePlan, ...]
    batches: tuple[Batch, ...] = ()
    refusals: tuple[Diagnostic, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether no node has anything to do (a node with a problem is not empty)."""
        return all(node.is_empty for node in self.nodes)
