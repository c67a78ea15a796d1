"""Observe: one exec a node, all facts and all readings; changes nothing on the node."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial

from svcform.backends.contract import Informant, Reading, Status
from svcform.backends.registry import BACKENDS
from svcform.engine import fleet
from svcform.engine.facts import parse_facts
from svcform.engine.installed import read_by_installed
from svcform.engine.progress import Progress, Remarks
from svcform.engine.recorded import Recorded, parse_recorded
from svcform.errors import BecomeFailed, NodeError, ReadingFailed, Unreachable
from svcform.model.facts import Facts
from svcform.model.node import Connection, Node
from svcform.program.reading import Section, parse_reading, reading_input, reading_script
from svcform.transport.contract import Binding, ExecResult, Listener, Session

Opener = Callable[[Node], Session]
"""Opens a session to a node; raises a NodeError where it can't."""

_STATUS = {0: Status.READ, 90: Status.ABSENT, 91: Status.TOOL_MISSING, 92: Status.REFUSED}
_TIMEOUT = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What one node is, and what svcform has there: facts, raw readings, and its memory.

    ``sections`` are the node's answer as it was, for a saved reading.
    """

    facts: Facts
    readings: Mapping[str, Reading] = field(repr=False)
    recorded: Recorded
    binding: Binding
    sections: Mapping[str, Section] = field(default_factory=dict, repr=False)


def begin(nodes: Sequence[Node], opener: Opener, *, forks: int = 32) -> fleet.Underway[Observation]:
    """Begin to read all nodes, at most ``forks`` at a time; :func:`finish` has what comes of it."""
    remarks = Remarks()

    def work(node: Node) -> Observation:
        with opener(node) as session:
            return _observe_one(session, node, remarks)

    return fleet.begin(nodes, work, forks, remarks)


def finish(
    underway: fleet.Underway[Observation], progress: Progress | None = None
) -> Mapping[str, Observation | NodeError]:
    """Wait for all nodes; one outcome each, whatever the others do.

    Ctrl-C leaves at once: nobody may go on from half of the nodes.
    """

    def done(node: Node, outcome: Observation | NodeError) -> None:
        if progress:
            stage = outcome.reason if isinstance(outcome, NodeError) else "observed"
            progress(node.name, stage)

    return underway.outcomes(done, fleet.leave, progress.wait if progress else None)


def observe(
    nodes: Sequence[Node], opener: Opener, *, forks: int = 32, progress: Progress | None = None
) -> Mapping[str, Observation | NodeError]:
    """Read all nodes and wait for them."""
    return finish(begin(nodes, opener, forks=forks), progress)


def is_remote(connection: Connection) -> bool:
    """Whether bytes to the node go over a network, where packing them pays."""
    return connection.kind not in {"local", "svcform_lab"}


@cache
def the_reading_script() -> str:
    """The one script that reads a node, with the probes of all backends; constant."""
    probes = [(probe.name, probe.script) for backend in BACKENDS for probe in backend.probes()]
    return reading_script(probes)


def parse_observation(data: bytes, nonce: str, binding: Binding) -> Observation:
    """What an answer to the reading script says.

    Raises ReadingFailed or ToolMissing for an answer without the facts that everything needs.
    """
    return understand(parse_reading(data, nonce), binding)


def understand(sections: Mapping[str, Section], binding: Binding) -> Observation:
    """What the sections of a reading say; raises as :func:`parse_observation`."""
    readings = {
        probe.name: _reading(probe.name, sections.get(probe.name))
        for backend in BACKENDS
        for probe in backend.probes()
    }
    facts = parse_facts(sections)
    for backend in BACKENDS:
        if isinstance(backend, Informant):
            facts = backend.tell(readings, facts)
    return Observation(
        facts=facts,
        readings=readings,
        recorded=parse_recorded(sections),
        binding=binding,
        sections=sections,
    )


def _observe_one(session: Session, node: Node, remarks: Remarks) -> Observation:
    nonce = secrets.token_hex(16)
    given = reading_input(nonce, compress=is_remote(node.connection))
    try:
        result = _run_reading(session, given, node.connection, remarks.listener(node.name))
    except Unreachable as error:
        if what := remarks.latest.get(node.name):
            raise Unreachable(
                f"{error} The node was waiting for {what!r}.", remedy=error.remedy
            ) from error
        raise
    if result.code:
        said = result.stderr.decode(errors="replace").strip()[-300:]
        raise ReadingFailed(
            f"The reading script ended with exit code {result.code}: {said or 'it said nothing'}.",
            remedy="It has to run as root: set ansible_become, or a user that is root.",
        )
    return parse_observation(result.stdout, nonce, session.binding)


def _run_reading(
    session: Session, given: bytes, connection: Connection, listener: Listener
) -> ExecResult:
    script = the_reading_script()
    try:
        return session.exec(script, stdin=given, timeout=_TIMEOUT, listener=listener)
    except BecomeFailed:
        if connection.become_password is not None:
            raise
        exec_ = partial(session.exec, stdin=given, timeout=_TIMEOUT, listener=listener)
        result = read_by_installed(exec_, script)
        if result is None:
            raise
        return result


def _reading(name: str, section: Section | None) -> Reading:
    if section is None:
        return Reading(status=Status.FAILED, error=f"The node's answer has no section {name}.")
    status = _STATUS.get(section.code, Status.FAILED)
    output = section.output if status is Status.READ else b""
    return Reading(status=status, output=output, error=section.error)
