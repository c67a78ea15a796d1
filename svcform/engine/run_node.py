"""One node's apply: carry the bundle over, judge the read-back, confirm over a new connection."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from threading import Event

from svcform import __version__
from svcform.engine.ask_runner import UNKNOWN, Answer, Line, parse_answer
from svcform.engine.installed import installed_head
from svcform.engine.moved import prints_moved, rows_moved
from svcform.engine.observe import (
    Observation,
    Opener,
    is_remote,
    parse_observation,
    the_reading_script,
)
from svcform.engine.outcome import Outcome, Result
from svcform.engine.verify import differences
from svcform.errors import Interrupted, NodeError, Unreachable
from svcform.model.node import Node
from svcform.plan.plan import NodePlan
from svcform.plan.snapshot import ObjectAddress
from svcform.program.bundle import RunRequest, carry_script, write_bundle
from svcform.program.layout import LAYOUT
from svcform.transport.contract import Binding, Listener, Session


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What is the same for all nodes of a run; ``plan`` is the plan's digest.

    A locked node is asked again for ``lock_timeout`` seconds; ``on_wait`` hears once who is in the
    way there.  ``on_silence`` hears of a node that does not answer any more, and how many seconds
    it is waited for.  With ``checks`` a node confirms only where its own checks succeed.
    ``answer`` is asked, with a node's name and seconds to answer in, for a node with the local
    connection.  ``listener`` hears what the node says that it waits for.  Once ``interrupted`` is
    set a locked node is asked no more.
    """

    project: str
    plan: str
    run_timeout: int
    confirm_timeout: int
    who: str
    source: str
    lock_timeout: int = 0
    on_wait: Callable[[str, str], None] | None = None
    on_silence: Callable[[str, int], None] | None = None
    checks: bool = False
    answer: Callable[[str, int], bool] | None = None
    listener: Listener | None = None
    interrupted: Event = field(default_factory=Event)


_RETRY = 1.0
_GRACE = 10.0
"""Seconds that a node may take to go back, once nobody confirmed in time."""

_RESULTS = {
    "applied": Result.APPLIED,
    "already-applied": Result.ALREADY_APPLIED,
    "refused": Result.REFUSED,
    "stale": Result.STALE,
    "lock-held": Result.LOCKED,
    "rolled-back": Result.ROLLED_BACK,
    "failed-changed": Result.CHANGED,
    "error": Result.ROLLED_BACK,
    UNKNOWN: Result.UNKNOWN,
}


def run_node(plan: NodePlan, node: Node, opener: Opener, options: RunOptions) -> Outcome:
    """Carry out one node's plan; raises a NodeError only where nothing can have been changed."""
    if plan.problem:
        result = Result.REFUSED if plan.problem.reason == "ownership" else Result.UNREACHABLE
        return Outcome(
            node=node.name,
            result=result,
            detail=plan.problem.message,
            remedy=plan.problem.remedy,
        )
    if plan.is_empty:
        return Outcome(node=node.name, result=Result.UNCHANGED)
    return _Run(plan=plan, node=node, opener=opener, options=options).carry_out_when_free()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    plan: NodePlan
    node: Node
    opener: Opener
    options: RunOptions

    def carry_out_when_free(self) -> Outcome:
        deadline = time.monotonic() + self.options.lock_timeout
        outcome = self.carry_out()
        if outcome.result is Result.LOCKED and self.options.lock_timeout and self.options.on_wait:
            self.options.on_wait(self.node.name, outcome.detail)
        while outcome.result is Result.LOCKED and time.monotonic() < deadline:
            if self.options.interrupted.wait(_RETRY):
                raise Interrupted(f"{self.node.name} was not started: interrupted.")
            outcome = self.carry_out()
        return outcome

    def carry_out(self) -> Outcome:
        run, nonce = secrets.token_hex(8), secrets.token_hex(16)
        with self.opener(self.node) as session:
            binding = session.binding
            if other := self._other_machine(binding):
                return self._outcome(Result.REFUSED, other)
            line = Line(
                node=self.node,
                opener=self.opener,
                binding=binding,
                run=run,
                on_silence=self.options.on_silence,
                listener=self.options.listener,
            )
            try:
                answer = self._carry(session, run, nonce)
                lost = None
            except Unreachable as error:
                lost = error
        return self._follow(line, lost, nonce) if lost else self._heard(line, answer, nonce)

    @property
    def _run_timeout(self) -> int:
        return self.options.run_timeout + self.plan.program.waits

    def _carry(self, session: Session, run: str, nonce: str) -> Answer:
        bundle = write_bundle(self._request(run, nonce))
        timeout = self._run_timeout + 60.0
        listener = self.options.listener
        script = carry_script()
        return parse_answer(session.exec(script, stdin=bundle, timeout=timeout, listener=listener))

    def _follow(self, line: Line, lost: Unreachable, nonce: str) -> Outcome:
        """The connection was lost on the way; the run has gone on without it, if it had begun."""
        patience = self._run_timeout + self.options.confirm_timeout + _GRACE
        try:
            answer = line.ask("follow", patience)
        except NodeError as error:
            return self._gone(lost, error)
        if answer.outcome == UNKNOWN:
            return self._never_begun(lost)
        return self._heard(line, answer, nonce)

    def _heard(self, line: Line, answer: Answer, nonce: str) -> Outcome:
        if answer.outcome == "stale":
            return self._stale(line, answer, nonce)
        if answer.outcome != "awaiting":
            return self._ended(answer)
        return self._decide(line, answer, nonce)

    def _ended(
        self, answer: Answer, problem: str = "", wrong: tuple[ObjectAddress, ...] = ()
    ) -> Outcome:
        if result := _RESULTS.get(answer.outcome):
            return self._outcome(result, problem or answer.detail, moved=wrong)
        # Only a phase: it may still become the old state or the new one.
        still = f'The run had not ended yet; the node said "{answer.outcome}".'
        unknown = self._outcome(Result.UNKNOWN, f"{problem} {still}".strip(), moved=wrong)
        return replace(unknown, remedy="Plan again to see how it is.")

    def _stale(self, line: Line, answer: Answer, nonce: str) -> Outcome:
        moved: tuple[ObjectAddress, ...] = ()
        detail = answer.detail
        with suppress(NodeError):
            seen = parse_observation(answer.reading, nonce, line.binding)
            if self._is_emptied(seen):
                return self._outcome(Result.ALREADY_APPLIED, "")
            moved = differences(self.plan.changes, seen, before=True)
            if not moved:
                detail = "\n".join([detail, *self._relied_on(seen)])
        stale = self._outcome(Result.STALE, detail, moved=moved)
        return replace(stale, remedy="Plan again.")

    def _relied_on(self, seen: Observation) -> Iterator[str]:
        """What moved that the plan would not have changed."""
        if rows := rows_moved(self.plan.service_changes, seen.recorded.services):
            yield rows
        with self.opener(self.node) as session:
            if prints := prints_moved(self.plan.program.fingerprints, session):
                yield prints

    def _is_emptied(self, seen: Observation) -> bool:
        """Whether the plan has emptied the node, which then keeps no receipt that says so."""
        if not self.plan.absent or seen.recorded.project_id or seen.recorded.services:
            return False
        return not differences(self.plan.changes, seen, before=False)

    def _decide(self, line: Line, answer: Answer, nonce: str) -> Outcome:
        """Confirm, or reject, over a connection of its own."""
        try:
            seen = parse_observation(answer.reading, nonce, line.binding)
            wrong = differences(self.plan.changes, seen, before=False)
            problem = ""
        except NodeError as error:
            wrong, problem = (), f"The read-back can't be understood: {error}"
        if wrong:
            names = ", ".join(map(str, wrong[:5]))
            problem = f"The read-back is not what was planned: {names}."
        problem = problem or self._objection()
        word = "reject" if problem else "check" if self.options.checks else "confirm"
        try:
            final = line.ask(word, self.options.confirm_timeout + _GRACE, why=problem)
        except NodeError as error:
            return self._unconfirmed(error)
        if final.outcome == UNKNOWN:
            return self._forgotten(word)
        return self._ended(final, problem, wrong)

    def _objection(self) -> str:
        """Why the new state is not wanted, where a new connection to the node proves nothing."""
        options = self.options
        if options.checks or options.answer is None or self.node.connection.kind != "local":
            return ""
        if options.answer(self.node.name, options.confirm_timeout):
            return ""
        return f"Nobody typed yes within {options.confirm_timeout} s."

    def _other_machine(self, binding: Binding) -> str:
        planned = self.plan.binding
        if planned is None:
            return ""
        if planned.host_key != binding.host_key:
            return (
                f"The plan is for a machine with the host key {planned.host_key}, and this one has "
                f"{binding.host_key}: plan again."
            )
        # Connections to another address were no part of the lock-out proof.
        there, here = _place(planned.address, planned.port), _place(binding.address, binding.port)
        if there != here:
            return f"The plan is for a node at {there}, and this one is at {here}: plan again."
        return ""

    def _never_begun(self, lost: Unreachable) -> Outcome:
        return self._failed(
            Result.UNREACHABLE,
            f"{lost} The plan had not arrived whole, or was not begun: nothing was touched.",
            lost,
            remedy="Apply again.",
        )

    def _gone(self, lost: Unreachable, last: NodeError) -> Outcome:
        """Without a confirmation no run ends but by going back."""
        return self._failed(
            Result.ROLLED_BACK,
            f"{lost} The node did not answer any more: {last} If its run had begun, it goes back "
            f"to its state of before by itself, within {self.options.confirm_timeout} s of the "
            "end of its steps, or when it is up again.",
            last,
            remedy="Plan again to see how it is.",
        )

    def _unconfirmed(self, error: NodeError) -> Outcome:
        """Nobody knows whether the confirmation arrived."""
        return self._failed(
            Result.UNKNOWN,
            f"{error} The new state could not be confirmed: within "
            f"{self.options.confirm_timeout} s the node goes back to its state of before, unless "
            "the confirmation had arrived.",
            error,
            remedy="Plan again to see how it is.",
        )

    def _forgotten(self, word: str) -> Outcome:
        """The answer was lost, and the node keeps the folder of a run only for a while."""
        if self.plan.absent and word != "reject":
            # It keeps a run that it rolled back, and nothing at all once it was emptied.
            return self._outcome(Result.APPLIED, "")
        return self._outcome(
            Result.UNKNOWN,
            "The node knows nothing of the run any more: plan again to see how it is.",
        )

    def _failed(self, result: Result, detail: str, error: NodeError, *, remedy: str) -> Outcome:
        return Outcome(
            node=self.node.name,
            result=result,
            detail=detail,
            remedy=error.remedy or remedy,
            error=error,
        )

    def _outcome(
        self, result: Result, detail: str, *, moved: tuple[ObjectAddress, ...] = ()
    ) -> Outcome:
        return Outcome(node=self.node.name, result=result, detail=detail, moved=moved)

    def _request(self, run: str, nonce: str) -> RunRequest:
        plan, options = self.plan, self.options
        meta = {
            "run": run,
            "plan": options.plan,
            "project": options.project,
            "layout": str(LAYOUT),
            "svcform": __version__,
            "found_project": plan.project,
            "found_layout": str(plan.layout),
            "machine": plan.binding.machine_id if plan.binding else "",
            "before": plan.before,
            "after": plan.after,
            "who": options.who,
            "source": options.source,
            "run_timeout": str(self._run_timeout),
            "confirm_timeout": str(options.confirm_timeout),
            "absent": "1" if plan.absent else "0",
            "nonce": nonce,
            "form": "gzip" if is_remote(self.node.connection) else "plain",
        }
        return RunRequest(
            meta=meta,
            program=plan.program,
            checkpoints=plan.checkpoints,
            service_changes=plan.service_changes,
            reading=the_reading_script(),
            installed_head=installed_head(the_reading_script()),
        )


def _place(address: str, port: int) -> str:
    return f"{address} port {port}" if port else address
