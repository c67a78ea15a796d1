"""What a backend is.  See CONTRIBUTING.md for how to add one.

A backend is a module-level value in ``registry.BACKENDS``; the whole conformance suite and all
property tests run for it by its being there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol, runtime_checkable

from svcform.diagnostics import Diagnostic
from svcform.model.facts import Facts
from svcform.model.flow import Flow
from svcform.model.settings import ProxyMode
from svcform.plan.diff import Change
from svcform.plan.snapshot import ObjectAddress, Snapshot
from svcform.policy.intent import Intent
from svcform.program.program import Checkpoint, Program


class Status(Enum):
    """What became of a probe.  "Could not read" is never "empty"."""

    READ = "read"
    ABSENT = "absent"
    TOOL_MISSING = "tool missing"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One look at the node: constant sh, run as root by the reading script, printing to stdout.

    It changes nothing, not even by loading a module (look in /proc first).  Its exit code says
    what became of it: 0 read; 90 absent (the kernel has no such thing, or the tool is missing
    and nothing of ours can be there); 91 the tool is missing; 92 refused; anything else failed.
    ``name`` is unique over all backends: ``iptables.nft.ip``.
    """

    name: str
    script: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a probe printed, and what became of it.  ``error`` is the tail of its stderr."""

    status: Status
    output: bytes = b""
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expressed:
    """What a node should hold of one backend, and what can't be expressed there."""

    wanted: Snapshot
    diagnostics: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderInput:
    """All that a backend needs to turn changes into bytes.

    ``drain_wait`` is the node's setting: for how many seconds a step may wait for connections of
    what goes to end.
    """

    changes: Sequence[Change]
    live: Snapshot
    wanted: Snapshot
    readings: Mapping[str, Reading]
    facts: Facts
    drain_wait: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Why a flow would not get through any more.

    ``effect`` completes "it would …": ``be dropped``.  ``rule`` does it, as its tool writes it.
    ``sources`` are those of the flow's addresses that it hits, as a person reads them; empty for
    all of them.
    """

    effect: str
    rule: str
    sources: str = ""


class Backend(Protocol):
    """One subsystem on the node.  Pure: no I/O, no clock, no randomness."""

    @property
    def name(self) -> str:
        """One word, the first of every address: ``iptables``."""
        ...

    @property
    def mode(self) -> ProxyMode | None:
        """The proxy mode it carries out, or None if it is not a proxy."""
        ...

    def probes(self) -> tuple[Probe, ...]:
        """What it wants to see of every node, also of those it isn't wanted on."""
        ...

    def read(self, readings: Mapping[str, Reading], facts: Facts) -> Snapshot:
        """What is svcform's on the node.

        Gets only readings that are *read* or *absent*; *absent* counts as empty.
        Looks at nothing of the facts but kernel, tools and modules: nodes that are equal in those
        and in their readings are read once and share the snapshot.
        Raises :class:`~svcform.errors.ReadingFailed` for output that it can't understand.
        """
        ...

    def express(self, intent: Intent, facts: Facts) -> Expressed:
        """What should be on the node; empty where the backend isn't wanted."""
        ...

    def render(self, inputs: RenderInput) -> Program:
        """The bytes that carry out the changes, the bytes that undo them, and the fingerprint."""
        ...

    def checkpoint(self) -> Checkpoint:
        """How the node keeps and puts back what this backend owns."""
        ...

    def find_cut(self, wanted: Snapshot, flow: Flow, facts: Facts) -> Cut | None:
        """What of ``wanted`` would keep the flow or its answers from getting through.

        Judges all of the flow's addresses, and not samples of them.
        """
        ...

    def caveats(
        self, readings: Mapping[str, Reading], facts: Facts, intent: Intent
    ) -> tuple[Diagnostic, ...]:
        """What in the node's own, foreign state would defeat the Services, by name.

        Asked only where the backend is wanted.
        """
        ...


@runtime_checkable
class Informant(Protocol):
    """A backend whose probes tell facts that others need, too."""

    def tell(self, readings: Mapping[str, Reading], facts: Facts) -> Facts:
        """The facts with these; asked once for each reading of a node, in the registry's order.

        ``readings`` are those of all backends, whatever became of them.  Raises ReadingFailed.
        """
        ...


@runtime_checkable
class Narrowing(Protocol):
    """A backend with objects of Services that are no part of an intent's ports: ``--target``."""

    def narrow(
        self, live: Snapshot, wanted: Snapshot, is_targeted: Callable[[str], bool], *, destroy: bool
    ) -> Snapshot:
        """What is live, with the targeted Services' objects as wanted, or (destroy) without them.

        ``is_targeted`` is asked with ``namespace/name``.
        """
        ...


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A backend whose probes did not all succeed, with the one that says why."""

    backend: str
    probe: str
    reading: Reading = field(repr=False)


__all__ = [
    "Backend",
    "Change",
    "Cut",
    "Expressed",
    "Informant",
    "Narrowing",
    "ObjectAddress",
    "Probe",
    "Reading",
    "RenderInput",
    "Status",
    "Unreadable",
]
