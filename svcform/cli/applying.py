"""Carrying a plan out, and what it says at the end."""

from __future__ import annotations

import getpass
import os
import socket
from argparse import Namespace
from collections.abc import Mapping, Sequence

from svcform.cli.confirming import who_answers
from svcform.cli.console import Console
from svcform.cli.proposing import Proposal, show_plan
from svcform.cli.releasing import release
from svcform.engine.apply import ApplyOptions, Reach, apply_under_lock
from svcform.engine.exit_code import of_apply
from svcform.engine.outcome import Outcome
from svcform.errors import Interrupted, UsageError
from svcform.plan.plan import Plan
from svcform.plan.services import ServiceRow
from svcform.views.outcomes import NodeResult, outcomes_json, outcomes_text
from svcform.views.plan_json import document, problem_json
from svcform.views.progress import NodeProgress
from svcform.views.services import services_json, services_text
from svcform.views.text import clean, shorten

_REFUSED = 7
_WAY = "Use --auto-approve, or save a plan with `svcform plan --out FILE` and apply that file."


def refuse_without_terminal(arguments: Namespace, out: Console, way: str = _WAY) -> None:
    """Raise UsageError where nobody can answer and nobody has approved."""
    if not arguments.auto_approve and (out.json or not out.interactive):
        why = "the output is JSON" if out.json else "there is no terminal to ask on"
        raise UsageError(f"Nothing was touched: {why}. {way}")


def refused(proposal: Proposal, out: Console) -> int:
    """Say which guards refuse the plan; the exit code, 0 where none does."""
    if not proposal.plan.refusals:
        return 0
    if out.json:
        show_plan(proposal, out, rules=False, exit_code=_REFUSED)
    else:
        out.findings(proposal.plan.refusals)
    out.say("Nothing was touched.")
    return _REFUSED


def is_approved(arguments: Namespace, out: Console, question: str) -> bool:
    """Whether a person typed ``yes``, or ``--auto-approve`` did."""
    if arguments.auto_approve:
        return True
    out.stderr.write(f"\n{question}\n  Only 'yes' is accepted: ")
    out.stderr.flush()
    try:
        answer = input()
    except EOFError:
        answer = ""
    if answer.strip() == "yes":
        return True
    out.say("Nothing was touched.")
    return False


def who() -> str:
    """Who applies: also a uid that has no passwd entry."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def carry_out(arguments: Namespace, out: Console, proposal: Proposal) -> int:
    """Apply the plan, show what became of each node and the Services; the exit code."""
    plan = proposal.plan
    answer = who_answers(arguments, out, proposal)
    options = ApplyOptions(
        forks=arguments.forks,
        run_timeout=arguments.run_timeout,
        confirm_timeout=arguments.confirm_timeout,
        lock_timeout=arguments.lock_timeout,
        who=who(),
        source=socket.gethostname(),
        on_wait=lambda node, holder: out.say(clean(f"{node}: waiting for {holder}")),
        on_silence=lambda node, seconds: out.say(_silence(node, seconds)),
        on_interrupt=lambda names: out.say(_interruption(names)),
        checks=arguments.confirm == "checks",
        answer=answer,
    )
    reach = Reach(
        nodes=proposal.nodes,
        opener=proposal.opener,
        plays=proposal.plays,
        play_nodes=proposal.play_nodes,
    )
    # A live line would be written over the question.
    count = 0 if answer else len(plan.nodes)
    with NodeProgress(out.stderr, "Applying", count, lines=not out.json) as progress:
        outcomes = apply_under_lock(plan, reach, options, progress)
    code = exit_code(outcomes)
    _report(out, proposal, outcomes, code)
    release(arguments, out, proposal, outcomes)
    return code


def _silence(node: str, seconds: int) -> str:
    return clean(f"{node} does not answer any more; waiting up to {seconds} s for its run.")


def _interruption(names: Sequence[str]) -> str:
    words = f"waiting for {clean(shorten(names, 4))}. " if names else ""
    words += "Ctrl-C again leaves: runs then end by themselves, and go back unconfirmed."
    return f"\nInterrupted: no more nodes are started; {words}"


def exit_code(outcomes: Mapping[str, Outcome]) -> int:
    """The apply's own code; nodes of the plan that ``--limit`` left out count for nothing."""
    interrupted = any(isinstance(o.error, Interrupted) for o in outcomes.values())
    return int(of_apply(outcomes, interrupted=interrupted))


def _results(plan: Plan, outcomes: Mapping[str, Outcome]) -> list[NodeResult]:
    results = []
    for node in plan.nodes:
        outcome = outcomes.get(node.node)
        if outcome is None:
            continue
        results.append(
            NodeResult(
                node=node.node,
                word=outcome.result.value,
                failed=outcome.failed,
                detail=outcome.detail,
                remedy=outcome.remedy,
                moved=tuple(map(str, outcome.moved)),
            )
        )
    return results


def _tables(plan: Plan, outcomes: Mapping[str, Outcome]) -> dict[str, tuple[ServiceRow, ...]]:
    return {
        node.node: node.services
        for node in plan.nodes
        if node.node in outcomes and not outcomes[node.node].failed
    }


def _report(out: Console, proposal: Proposal, outcomes: Mapping[str, Outcome], code: int) -> None:
    plan = proposal.plan
    results = _results(plan, outcomes)
    tables = _tables(plan, outcomes)
    if out.json:
        body = {
            "digest": proposal.digest,
            "exit_code": code,
            "nodes": outcomes_json(results),
            "unplanned": [
                {"name": n.node, "problem": problem_json(n.problem)}
                for n in plan.nodes
                if n.problem and n.node in outcomes
            ],
            "services": services_json(tables),
        }
        out.result(document("apply", body))
        return
    for node in plan.nodes:
        outcome = outcomes.get(node.node)
        out.findings(outcome.warnings if outcome else ())
    out.result(outcomes_text(results, out.out))
    if tables:
        out.result("\n" + services_text(tables))
