"""One cell of the table: an apply, stopped at a step, a fault, and what is left afterwards."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.faults.faults import Fault, Scene
from tests.faults.node import IN_INPUT, STATE, Node, wait_until
from tests.faults.scenario import Project, Said
from tests.faults.steps import Step

_REACH = 60.0
_UNCONFIRMED = 5
_STALE = 3
_SETTLE = 90.0


@dataclass(slots=True, kw_only=True)
class Found:
    """What became of a cell: ``old`` or ``new``, and all that is wrong about it."""

    state: str = "neither"
    wrong: list[str] = field(default_factory=list)
    said: Said | None = None
    again: Said | None = None
    log: str = ""

    @property
    def left_alone(self) -> bool:
        """Whether the controller was killed."""
        return self.said is not None and self.said.code == -signal.SIGKILL


def run_cell(
    project: Project, node: Node, baseline: Mapping[str, Any], step: Step, fault: Fault
) -> Found:
    """Everything from the old state on; ``baseline`` is the plan that leads to the new one."""
    found = Found()
    node.reset()
    _arrange(node, step, fault)
    controller = project.apply(node.name)
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
    _judge(found, project, node, baseline, fault)
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
    assert wait_until((folder / "confirmed").exists, 10)


def _settle(found: Found, scene: Scene) -> None:
    """Nothing may be left running, on either side."""
    node, controller = scene.node, scene.controller
    if scene.step.name == "confirming":
        guard = node.pid_of("guard")
        if guard is not None:
            node.signal(guard, signal.SIGCONT)
    if not wait_until(lambda: controller.ended, _SETTLE):
        found.wrong.append("the controller does not end")
    found.said = controller.wait(0)
    if left := node.await_quiet():
        found.wrong.append(f"still running: {left}")
        node.kill_all()


def _judge(
    found: Found, project: Project, node: Node, baseline: Mapping[str, Any], fault: Fault
) -> None:
    found.log = node.run_log()
    found.state = now = node.state()
    if (now == "neither" and node.has_lock()) or (found.left_alone and node.litter()):
        # Nobody was left who could put the node in order: whoever comes next does.
        now = _come_next(found, project, node)
    found.wrong += node.litter()
    if fault.name != "reboot" and IN_INPUT not in node.look()["iptables-nft"]:
        found.wrong.append("a rule that is not svcform's is gone")
    if now == "neither":
        found.wrong += node.differences()
    planned = project.plan(node.name)
    if isinstance(planned, str):
        found.wrong.append(f"the next plan fails: {planned}")
    elif now == "new":
        if bool(planned["objects"] or planned["services"]) != node.has_hand_made_rule():
            found.wrong.append(f"the next plan is not what it should be: {planned['objects']}")
    elif planned != baseline and not node.has_hand_made_rule():
        found.wrong.append(f"the next plan is another one: {planned}")
    found.wrong += _untrue(found)


def _come_next(found: Found, project: Project, node: Node) -> str:
    """Apply once more, and see: it starts afresh where nothing had begun, else it is stale."""
    before, found.again = found.state, project.apply(node.name).wait()
    node.await_quiet()
    now = node.state()
    if before == "neither":
        found.state = f"{now} next"
    fitting = {0: {"new"}, _STALE: {before} if before != "neither" else {"old", "new"}}
    if now not in fitting.get(found.again.code, set()):
        found.wrong.append(f"the next apply left it {now}: {found.again}")
    return now


def _untrue(found: Found) -> list[str]:
    """What the controller said that isn't so; one that was killed said nothing."""
    if found.said is None or found.left_alone:
        return []
    code, is_new = found.said.code, found.state == "new"
    unsure = code == _UNCONFIRMED and "could not be confirmed" in found.said.out
    return [] if (code == 0) == is_new or unsure else [f"exit code {code}: {found.said.out}"]
