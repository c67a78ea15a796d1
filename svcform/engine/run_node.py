"""One node's apply: carry the bundle over, judge the read-back, confirm over a new connection."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from svcform.engine.installed import installed_head
from svcform.engine.observe import Opener, is_remote, parse_observation, the_reading_script
from svcform.engine.outcome import Outcome, Result
from svcform.engine.verify import differences
from svcform.errors import NodeError
from svcform.model.node import Node
from svcform.plan.plan import NodePlan
from svcform.plan.snapshot import ObjectAddress
from svcform.program.bundle import RunRequest, carry_script, write_bundle
from svcform.program.layout import LAYOUT, STATE_DIRECTORY
from svcform.transport.contract import Binding


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What is the same for all nodes of a run; ``plan`` is the plan's digest.

    A locked node is asked again for ``lock_timeout`` seconds; ``on_wait`` hears once who is in the
    way there.
    """

    project: str
    plan: str
    run_timeout: int
    confirm_timeout: int
    who: str
    source: str
    lock_timeout: int = 0
    on_wait: Callable[[str, str], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What the runner says: a word, a sentence, its journal, and the bytes of a reading."""

    outcome: str
    detail: str
    journal: tuple[str, ...]
    reading: bytes


_TRIES = 3
_RETRY = 1.0

_RESULTS = {
    "applied": Result.APPLIED,
    "already-applied": Result.ALREADY_APPLIED,
    "refused": Result.REFUSED,
    "stale": Result.STALE,
    "lock-held": Result.LOCKED,
    "rolled-back": Result.ROLLED_BACK,
    "failed-changed": Result.CHANGED,
    "error": Result.ROLLED_BACK,
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
            time.sleep(_RETRY)
            outcome = self.carry_out()
        return outcome

    def carry_out(self) -> Outcome:
        run, nonce = secrets.token_hex(8), secrets.token_hex(16)
        with self.opener(self.node) as session:
            binding = session.binding
            if other := self._other_machine(binding):
                return self._outcome(Result.REFUSED, other)
            try:
                result = session.exec(
                    carry_script(),
                    stdin=write_bundle(self._request(run, nonce)),
                    timeout=self.options.run_timeout + 60.0,
                )
            except NodeError as error:
                return self._lost(error)
        answer = _parse_answer(result.stdout)
        if answer is None:
            said = result.stderr.decode(errors="replace").strip()[-300:]
            return self._outcome(Result.CHANGED, f"The runner did not answer: {said}")
        if answer.outcome == "stale":
            with suppress(NodeError):
                moved = self._moved(answer, nonce, binding, before=True)
                return self._outcome(Result.STALE, answer.detail, moved=moved)
            return self._outcome(Result.STALE, answer.detail)
        if answer.outcome != "awaiting":
            return self._outcome(_RESULTS.get(answer.outcome, Result.CHANGED), answer.detail)
        return self._decide(run, answer, nonce, binding)

    def _decide(self, run: str, answer: _Answer, nonce: str, binding: Binding) -> Outcome:
        """Confirm, or reject, over a connection of its own."""
        try:
            wrong = self._moved(answer, nonce, binding, before=False)
            problem = ""
        except NodeError as error:
            wrong, problem = (), f"The read-back can't be understood: {error}"
        if wrong:
            names = ", ".join(map(str, wrong[:5]))
            problem = f"The read-back is not what was planned: {names}."
        word = "reject" if problem else "confirm"
        script = f'sh "${{SVCFORM_STATE:-{STATE_DIRECTORY}}}/runs/{run}/runner" {word} {run}'
        final = self._ask(script)
        if isinstance(final, NodeError):
            return self._unconfirmed(final)
        outcome = _RESULTS.get(final.outcome, Result.CHANGED)
        return self._outcome(outcome, problem or final.detail, moved=wrong)

    def _ask(self, script: str) -> _Answer | NodeError:
        """What the runner says in the end; a connection that fails is tried again."""
        error = NodeError("The runner did not answer the confirmation.")
        for _ in range(_TRIES):
            try:
                with self.opener(self.node) as session:
                    result = session.exec(script, timeout=self.options.run_timeout + 60.0)
            except NodeError as found:
                error = found
                continue
            if answer := _parse_answer(result.stdout):
                return answer
        return error

    def _other_machine(self, binding: Binding) -> str:
        planned = self.plan.binding
        if planned is None or planned.host_key == binding.host_key:
            return ""
        return (
            f"The plan is for a machine with the host key {planned.host_key}, and this one has "
            f"{binding.host_key}: plan again."
        )

    def _moved(
        self, answer: _Answer, nonce: str, binding: Binding, *, before: bool
    ) -> tuple[ObjectAddress, ...]:
        observation = parse_observation(answer.reading, nonce, binding)
        return differences(self.plan.changes, observation, before=before)

    def _lost(self, error: NodeError) -> Outcome:
        return Outcome(
            node=self.node.name,
            result=Result.ROLLED_BACK,
            detail=f"{error} The node goes back to its state of before by itself, within "
            f"{self.options.confirm_timeout} s of the end of its steps.",
            remedy=error.remedy,
            error=error,
        )

    def _unconfirmed(self, error: NodeError) -> Outcome:
        """Nobody knows whether the confirmation arrived."""
        return Outcome(
            node=self.node.name,
            result=Result.CHANGED,
            detail=f"{error} The new state could not be confirmed: within "
            f"{self.options.confirm_timeout} s the node goes back to its state of before, unless "
            "the confirmation had arrived.",
            remedy=error.remedy or "Plan again to see how it is.",
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
            "found_project": plan.project,
            "found_layout": str(plan.layout),
            "machine": plan.binding.machine_id if plan.binding else "",
            "before": plan.before,
            "after": plan.after,
            "who": options.who,
            "source": options.source,
            "run_timeout": str(options.run_timeout),
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


def _parse_answer(data: bytes) -> _Answer | None:
    """The runner's answer: lines of key and value, an empty line, then a reading, if any."""
    start = data.find(b"outcome\t")
    if start < 0:
        return None
    head, _, reading = data[start:].partition(b"\n\n")
    lines = [line.partition("\t") for line in head.decode(errors="replace").splitlines()]
    first = {key: value for key, _, value in reversed(lines)}
    return _Answer(
        outcome=first.get("outcome", "error"),
        detail=first.get("detail", ""),
        journal=tuple(value for key, _, value in lines if key == "journal"),
        reading=reading,
    )
