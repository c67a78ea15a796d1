"""One cell of the table: an apply, stopped at a step, a fault, and what is left afterwards."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.faults.faults import Fault, Scene
from tests.faults.node import IN_INPUT, STATE, Node, wait_until
from tests.faults.scenario import PATIENT, TIMERS, Project, Said
from tests.faults.steps import Step

_REACH = 240.0
_UNCONFIRMED = 5
_STALE = 3
_SETTLE = 300.0


@dataclass(slots=True, kw_only=True)
class Found:
    """What became of a cell: ``old`` or ``new``, and all that is wrong about it."""

    state: str = "neither"
    wrong: list[str] = field(default_factory=list)
    said: Said | None = None
    again: Said | None = None
    log: str = ""
    seconds: float = 0.0

    @property
    def left_alone(self) -> bool:
        """Whether the controller was killed."""
        return self.said is not None and self.said.code == -signal.SIGKILL


@dataclass(slots=True, kw_only=True)
class Known:
    """What plans say: of the old state, by node, and of each state that a node was found in."""

    project: Project
    baseline: Mapping[str, Any]
    plans: dict[object, dict[str, Any] | str] = field(default_factory=dict)

    def plan(self, node: Node, seen: Mapping[str, str]) -> dict[str, Any] | str:
        """The next plan; one is made for each state."""
        key = (node.name, node.last_receipt(), tuple(sorted(seen.items())))
        if key not in self.plans:
            self.plans[key] = self.project.plan(node.name)
        return self.plans[key]


def run_cell(known: Known, node: Node, step: Step, fault: Fault) -> Found:
    """Everything from the old state on."""
    found = Found()
    node.reset()
    _arrange(node, step, fault)
    waits = fault.waits and not step.confirmed
    controller = known.project.apply(node.name, TIMERS if waits else PATIENT)
    scene = Scene(node, step, controller)
    if not wait_until(lambda: node.reached() or controller.ended, _REACH) or controller.ended:
        found.wrong.append("the step was never reached")
    else:
        if step.name == "confirming":
            _see_confirmation(node)
        fault.inflict(scene)
    _settle(found, scene)
    if fault.small_disk:
        node.sh(
            f"rm -f {STATE}/fill; rm -rf /var/grown; cp -a {STATE} /var/grown; umount {STATE};"
            f" rm -rf {STATE}; mv /var/grown {STATE}"
        )
    _judge(found, known, node, fault)
    return found


def _arrange(node: Node, step: Step, fault: Fault) -> None:
    node.sh(f"iptables-nft {IN_INPUT}")
    if fault.pty:
        node.sh("echo 'Defaults use_pty' >>/etc/sudoers")
    if fault.small_disk:
        node.sh(
            f"cp -a {STATE} /var/small; mount -t tmpfs -o size=3m,mode=700 small {STATE};"
            f" cp -a /var/small/. {STATE}; rm -rf /var/small"
        )
    if step.fails:
        node.fail_at(step.fails)
    node.stop_at(step.stop, step.phase)


def _see_confirmation(node: Node) -> None:
    """Let the confirmation in while the guard can't see it."""
    guard = node.pid_of("guard")
    assert guard is not None
    node.signal(guard, signal.SIGSTOP)
    node.release()
    folder = node.run_folder()
    assert folder is not None
    assert wait_until((folder / "confirmed").exists, 60)


def _settle(found: Found, scene: Scene) -> None:
    """Nothing may be left running, on either side."""
    node, controller = scene.node, scene.controller
    if not wait_until(lambda: controller.ended, _SETTLE):
        found.wrong.append("the controller does not end")
    found.said = controller.wait(0)
    if left := node.await_quiet():
        found.wrong.append(f"still running: {left}")
        node.kill_all()


def _judge(found: Found, known: Known, node: Node, fault: Fault) -> None:
    found.log = node.run_log()
    seen = node.look()
    found.state = now = node.state(seen)
    if (now == "neither" and node.has_lock()) or (found.left_alone and node.litter()):
        # Nobody was left who could put the node in order: whoever comes next does.
        seen = _come_next(found, known.project, node)
        now = node.state(seen)
    found.wrong += node.litter()
    if fault.name != "reboot" and IN_INPUT not in seen["iptables-nft"]:
        found.wrong.append("a rule that is not svcform's is gone")
    if now == "neither":
        found.wrong += node.differences()
    planned, by_hand = known.plan(node, seen), node.has_hand_made_rule(seen)
    if isinstance(planned, str):
        found.wrong.append(f"the next plan fails: {planned}")
    elif now == "new":
        if bool(planned["objects"] or planned["services"]) != by_hand:
            found.wrong.append(f"the next plan is not what it should be: {planned['objects']}")
    elif planned != known.baseline[node.name] and not by_hand:
        found.wrong.append(f"the next plan is another one: {planned}")
    found.wrong += _untrue(found)


def _come_next(found: Found, project: Project, node: Node) -> dict[str, str]:
    """Apply once more, and see: it starts afresh where nothing had begun, else it is stale."""
    before, found.again = found.state, project.apply(node.name).wait()
    node.await_quiet()
    seen = node.look()
    now = node.state(seen)
    if before == "neither":
        found.state = f"{now} next"
    fitting = {0: {"new"}, _STALE: {before} if before != "neither" else {"old", "new"}}
    if now not in fitting.get(found.again.code, set()):
        found.wrong.append(f"the next apply left it {now}: {found.again}")
    return seen


def _untrue(found: Found) -> list[str]:
    """What the controller said that isn't so; one that was killed said nothing."""
    if found.said is None or found.left_alone:
        return []
    code, is_new = found.said.code, found.state == "new"
    unsure = code == _UNCONFIRMED and "could not be confirmed" in found.said.out
    return [] if (code == 0) == is_new or unsure else [f"exit code {code}: {found.said.out}"]
