"""What happens to a node, or to who applies, while it holds still."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.faults.node import IN_TABLE, STATE, Case, Node, wait_until
from tests.faults.scenario import Controller
from tests.faults.steps import Step


@dataclass(frozen=True, slots=True)
class Scene:
    """A node that holds still at a step of an apply, and the apply's controller."""

    node: Node
    step: Step
    controller: Controller

    def kill(self, *whose: str) -> None:
        """The run's worker, its guard, or both at once."""
        pids = {pid for pid in map(self.node.pid_of, whose) if pid is not None}
        assert len(pids) == len(whose)
        for pid in pids:
            self.node.signal(pid, signal.SIGSTOP)
        self.node.kill(pids)

    def kill_controller(self) -> None:
        self.controller.process.kill()
        self.controller.process.join()

    def release(self) -> None:
        """Go on, also a guard that was stopped as it could have seen the confirmation."""
        self.node.release()
        guard = self.node.pid_of("guard")
        if guard is not None:
            self.node.signal(guard, signal.SIGCONT)

    def let_others_react(self) -> None:
        """Hold on until the run is over; a run that waits for what holds still never is."""
        wait_until(self.node.outcome, 2)


def nothing(scene: Scene) -> None:
    scene.release()


def kill_controller(scene: Scene) -> None:
    scene.kill_controller()
    scene.release()


def kill_runner(scene: Scene) -> None:
    """Before there is one of its own: the script that the controller runs on the node."""
    if scene.step.worker:
        scene.kill("worker")
    else:
        scene.node.kill_all(lambda words: "sshd" not in words)
    scene.let_others_react()
    scene.release()


def kill_guard(scene: Scene) -> None:
    scene.kill("guard")
    scene.release()


def kill_both(scene: Scene) -> None:
    scene.kill("worker", "guard")
    scene.let_others_react()
    scene.release()


def kill_all(scene: Scene) -> None:
    """The controller, and all that came from a login: nobody is left who could go on."""
    held = scene.node.hold()
    scene.kill_controller()
    scene.node.kill(held)
    scene.release()


def kill_sshd(scene: Scene) -> None:
    """The listener and all sessions; the node's init starts it again."""
    node = scene.node
    node.sh("kill -9 $(pidof sshd)", check=False)
    scene.release()
    wait_until(lambda: not node.sh("pidof sshd", check=False), 60)
    node.start_sshd()


def kill_session(scene: Scene) -> None:
    """Only those sshds that serve somebody."""
    scene.node.kill_all(lambda words: words.startswith("sshd"))
    scene.release()


def kill_user_processes(scene: Scene) -> None:
    """All that came from a login, whatever its process group or session, but not sshd itself."""
    scene.node.kill_all()
    scene.release()


def cut_link(scene: Scene) -> None:
    scene.node.lab.cut(scene.node.name)
    scene.release()
    # Longer than any timer on the node, and than the node needs to go back.
    wait_until(scene.node.outcome, 240 if scene.node.run_folder() else 40)
    time.sleep(0.5)
    scene.node.lab.mend(scene.node.name)


def fill_disk(scene: Scene) -> None:
    scene.node.sh(f"cat /dev/zero >{STATE}/fill 2>/dev/null; true")
    scene.release()
    # A run that has used up what it had set aside ends when somebody makes room.
    wait_until(scene.node.outcome, 15)
    scene.node.sh(f"rm -f {STATE}/fill")


def change_by_hand(scene: Scene) -> None:
    """A rule in one of svcform's chains."""
    scene.node.sh(scene.node.mode.by_hand)
    scene.release()


def fail_restore(scene: Scene) -> None:
    """The next iptables-restore, or nft, reads half of its input and is killed."""
    action = "/usr/bin/head -n 2 >/dev/null; kill -9 $$"
    for tool, pattern in scene.node.mode.loaders:
        scene.node.wrap(Case(tool, pattern, action, mark="killed"))
    scene.release()


def reboot(scene: Scene) -> None:
    scene.node.lab.reboot(scene.node.name)
    scene.node.sh(f"iptables-nft {IN_TABLE}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A column of the table.

    ``small_disk`` gives the state folder a file system of its own that can be filled, ``pty`` runs
    sudo's commands in a terminal of their own.  One that is ``slow`` takes long; one that ``waits``
    does so until nobody has confirmed in time, unless somebody had.
    """

    name: str
    title: str
    inflict: Callable[[Scene], None]
    small_disk: bool = False
    pty: bool = False
    slow: bool = False
    waits: bool = False


FAULTS = (
    Fault(name="none", title="nothing", inflict=nothing),
    Fault(
        name="controller", title="kill -9 of the controller", inflict=kill_controller, waits=True
    ),
    Fault(name="runner", title="kill -9 of the runner", inflict=kill_runner),
    Fault(name="guard", title="kill -9 of the guard", inflict=kill_guard),
    Fault(name="both", title="kill -9 of runner and guard", inflict=kill_both),
    Fault(name="all", title="kill -9 of runner, guard and controller", inflict=kill_all),
    Fault(name="sshd", title="kill -9 of sshd and its sessions", inflict=kill_sshd),
    Fault(name="link", title="link cut both ways", inflict=cut_link, slow=True, waits=True),
    Fault(
        name="disk",
        title="`ENOSPC` on the state folder",
        inflict=fill_disk,
        small_disk=True,
        slow=True,
    ),
    Fault(name="user", title="`KillUserProcesses=yes`", inflict=kill_user_processes),
    Fault(name="pty", title="sudo's `use_pty`, session lost", inflict=kill_session, pty=True),
    Fault(name="hand", title="a change by hand", inflict=change_by_hand),
    Fault(name="tool", title="the tool killed half-way", inflict=fail_restore),
    Fault(name="reboot", title="reboot", inflict=reboot),
)
BY_NAME = {fault.name: fault for fault in FAULTS}
