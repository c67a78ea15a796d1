"""Whatever happens in the middle of an apply, the node is its old state or its new one."""

from __future__ import annotations

import os
import re
import secrets
import signal
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from svcform import __version__
from svcform.engine.apply import ApplyOptions, apply
from svcform.engine.installed import installed_head
from svcform.engine.observe import Observation, observe, the_reading_script
from svcform.engine.outcome import Outcome, Result
from svcform.engine.propose import ProposeOptions, propose
from svcform.model.node import Node
from svcform.model.settings import ProxyMode
from svcform.plan.plan import Plan
from svcform.policy.intent import PortIntent
from svcform.program.bundle import RunRequest, ask_script, carry_script, write_bundle
from svcform.program.program import Phase, Step
from tests.unit.engine.node import PROJECT, LabNode, intent, opener, port, workspace

pytestmark = [pytest.mark.root, pytest.mark.parametrize("shell", ["dash"], indirect=True)]

OPTIONS = ApplyOptions(who="alice", source="laptop", run_timeout=60, confirm_timeout=30)


def plan(node: Node, *ports: PortIntent, project: str = PROJECT, take_over: bool = False) -> Plan:
    observations = observe([node], opener)
    return propose(
        workspace(node, project=project),
        {node.name: intent(node, *ports)},
        observations,
        ProposeOptions(take_over=take_over),
    )


def carry_out(node: Node, made: Plan, options: ApplyOptions = OPTIONS) -> Outcome:
    return apply(made, {node.name: node}, opener, options)[node.name]


def with_step(made: Plan, *command: str, rehearsal: tuple[str, ...] = ()) -> Plan:
    """The plan, with one more step at the end of its first node's program."""
    step = Step(
        backend="host",
        phase=Phase.UNHOST,
        summary="one more",
        command=command,
        rehearsal=rehearsal,
    )
    node = made.nodes[0]
    program = replace(node.program, steps=(*node.program.steps, step))
    return replace(made, nodes=(replace(node, program=program),))


def settings(lab_node: LabNode) -> str:
    return lab_node.run("cat /proc/sys/net/ipv4/ip_forward; ip route")


def wait_for(path: Callable[[], list[Path]]) -> Path:
    deadline = time.monotonic() + 60
    while not (found := path()):
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.05)
    return found[0]


def start_without_confirming(lab_node: LabNode, made: Plan, confirm_timeout: int) -> bytes:
    """What a controller does that dies before it confirms."""
    node = made.nodes[0]
    assert node.binding is not None
    meta = {
        "run": secrets.token_hex(8),
        "plan": "0" * 64,
        "project": PROJECT,
        "layout": "1",
        "found_project": node.project,
        "found_layout": str(node.layout),
        "machine": node.binding.machine_id,
        "run_timeout": "60",
        "confirm_timeout": str(confirm_timeout),
        "absent": "0",
        "nonce": secrets.token_hex(16),
        "form": "plain",
    }
    request = RunRequest(
        meta=meta,
        program=node.program,
        checkpoints=node.checkpoints,
        service_changes=node.service_changes,
        reading=the_reading_script(),
        installed_head=installed_head(the_reading_script()),
    )
    with lab_node.session() as session:
        return session.exec(carry_script(), stdin=write_bundle(request)).stdout


def test_without_a_confirmation_the_node_goes_back_by_itself(lab_node: LabNode) -> None:
    before = settings(lab_node)
    answer = start_without_confirming(lab_node, plan(lab_node.node(), port()), confirm_timeout=10)
    assert answer.startswith(b"outcome\tawaiting\n")
    assert settings(lab_node) != before
    lab_node.wait_until_idle()
    assert settings(lab_node) == before
    assert not (lab_node.state / "lock").exists()
    assert "rolled-back" in lab_node.run(f"cat {lab_node.state}/receipts/*")
    assert not (lab_node.state / "services.tsv").exists()


def test_a_killed_runner_is_undone_by_its_guard(lab_node: LabNode) -> None:
    before = settings(lab_node)
    made = with_step(plan(lab_node.node(), port()), "sleep", "30")
    with ThreadPoolExecutor() as pool:
        result = pool.submit(carry_out, lab_node.node(), made)
        journal = wait_for(lambda: list(lab_node.state.glob("runs/*/journal")))
        wait_for(lambda: [journal] if "one more" in journal.read_text() else [])
        os.kill(int((journal.parent / "worker").read_text().split()[0]), signal.SIGKILL)
        outcome = result.result()
    assert (outcome.result, outcome.detail) == (Result.ROLLED_BACK, "The runner was killed.")
    assert settings(lab_node) == before


def test_a_killed_guard_stops_the_run(lab_node: LabNode) -> None:
    before = settings(lab_node)
    made = with_step(with_step(plan(lab_node.node(), port()), "sleep", "5"), "true")
    with ThreadPoolExecutor() as pool:
        result = pool.submit(carry_out, lab_node.node(), made)
        guard = wait_for(lambda: list(lab_node.state.glob("runs/*/guard")))
        wait_for(lambda: [guard] if "one more" in (guard.parent / "journal").read_text() else [])
        os.kill(int(guard.read_text().split()[0]), signal.SIGKILL)
        outcome = result.result()
    assert (outcome.result, outcome.detail) == (Result.ROLLED_BACK, "The guard was killed.")
    assert settings(lab_node) == before


def test_a_run_that_lost_all_its_processes_is_undone_by_the_next_one(lab_node: LabNode) -> None:
    before = settings(lab_node)
    node = lab_node.node()
    start_without_confirming(lab_node, plan(node, port()), confirm_timeout=60)
    for pid in lab_node.pids():
        os.kill(pid, signal.SIGKILL)
    assert settings(lab_node) != before
    assert carry_out(node, plan(node, port())).result is Result.STALE
    assert settings(lab_node) == before
    assert carry_out(node, plan(node, port())).result is Result.APPLIED


def test_who_asks_takes_the_place_of_an_heir_that_was_killed_before_it_was_the_guard(
    lab_node: LabNode,
) -> None:
    before = settings(lab_node)
    start_without_confirming(lab_node, plan(lab_node.node(), port()), confirm_timeout=60)
    for pid in lab_node.pids():
        os.kill(pid, signal.SIGKILL)
    (guard,) = lab_node.state.glob("runs/*/guard")
    heir = guard.with_name(f"heir.{guard.read_text().split()[0]}")
    heir.write_text("4194303 1\n")
    heir.with_name(f"{heir.name}.4194303").write_text("4194302 1\n")
    with lab_node.session() as session:
        said = session.exec(ask_script("reject", guard.parent.name, "Enough."), timeout=30).stdout
    assert said.startswith(b"outcome\trolled-back\ndetail\tThe new state was rejected. Enough.\n")
    assert settings(lab_node) == before
    assert list(guard.parent.glob("heir*")) == []


def test_a_machine_that_is_slow_to_start_the_run_is_waited_for(
    lab_node: LabNode, tmp_path: Path
) -> None:
    slow = tmp_path / "setsid"
    slow.write_text('#!/bin/bash\nsleep 6\nexec busybox setsid "$@"\n')
    slow.chmod(0o755)
    made = plan(lab_node.node(), port())
    lab_node.run(f"mount --bind {slow} $(command -v setsid)")
    assert carry_out(lab_node.node(), made).result is Result.APPLIED


def test_what_a_lost_upload_left_goes_with_the_next_run(lab_node: LabNode) -> None:
    """And what a restore left that was killed; but no upload that is on its way."""
    node, runs = lab_node.node(), lab_node.state / "runs"
    uploads = []
    for name in ("aa", "bb", "cc"):
        upload = subprocess.Popen(["dash", "-c", carry_script()], stdin=subprocess.PIPE)
        assert upload.stdin is not None
        upload.stdin.write(f"svcform-bundle 2 9 9 9 1 {name}\n".encode())
        upload.stdin.flush()
        wait_for(lambda name=name: list(runs.glob(f"incoming.{name}/bundle")))
        uploads.append(upload)
    for upload in uploads[:2]:
        upload.kill()
        upload.wait()
    (runs / "incoming.bb").rename(runs / "late.bb")
    (runs / "restore.x").mkdir()
    (runs / "restore.x/maker").write_text("1 1\n")
    assert carry_out(node, plan(node, port())).result is Result.APPLIED
    assert [entry.name for entry in runs.iterdir() if "." in entry.name] == ["incoming.cc"]
    uploads[2].communicate()
    assert not (runs / "incoming.cc").exists()


def test_steps_that_take_too_long_are_undone(lab_node: LabNode) -> None:
    before = settings(lab_node)
    made = with_step(plan(lab_node.node(), port()), "sleep", "30")
    outcome = carry_out(lab_node.node(), made, replace(OPTIONS, run_timeout=10))
    assert outcome.result is Result.ROLLED_BACK
    assert re.fullmatch(
        r"The steps took longer than 10 s; the last was the step \"one more\": sleep 30\.",
        outcome.detail,
    )
    assert settings(lab_node) == before
    lab_node.wait_until_idle()
    made = with_step(plan(lab_node.node(), port()), "true", rehearsal=("sleep", "30"))
    outcome = carry_out(lab_node.node(), made, replace(OPTIONS, run_timeout=10))
    assert outcome.detail.endswith('; the last was the rehearsal of "one more": sleep 30.')
    lab_node.wait_until_idle()


def test_a_state_folder_that_is_somebodys_is_refused(lab_node: LabNode) -> None:
    """Its owner could have root run anything, at the next boot."""
    lab_node.run(f"mkdir {lab_node.state} && : >{lab_node.state}/x && chown 1500 {lab_node.state}")
    made = plan(lab_node.node(), port())
    outcome = carry_out(lab_node.node(), made)
    assert outcome.result is Result.ROLLED_BACK
    assert f"{lab_node.state} is not root's" in outcome.detail
    assert [file.name for file in lab_node.state.iterdir()] == ["x"]
    lab_node.run(f"chown 0 {lab_node.state}")
    assert carry_out(lab_node.node(), made).result is Result.APPLIED


def test_a_tool_that_hangs_before_there_is_a_guard_is_ended(lab_node: LabNode) -> None:
    made = plan(lab_node.node(), port())
    first, *others = made.nodes[0].program.fingerprints
    hangs = replace(first, script="exec sleep 53")
    program = replace(made.nodes[0].program, fingerprints=(hangs, *others))
    made = replace(made, nodes=(replace(made.nodes[0], program=program),))
    outcome = carry_out(lab_node.node(), made, replace(OPTIONS, run_timeout=2))
    assert outcome.result is Result.ROLLED_BACK
    assert re.fullmatch(
        r'"sleep 53" had not ended after \d+ s; nothing was changed\.', outcome.detail
    )
    lab_node.wait_until_idle()
    assert carry_out(lab_node.node(), plan(lab_node.node(), port())).result is Result.APPLIED


def test_a_tool_that_hangs_on_the_way_back_is_ended_and_named(lab_node: LabNode) -> None:
    made = with_step(plan(lab_node.node(), port()), "false")
    first, *others = made.nodes[0].checkpoints
    tried = lab_node.state.parent / "tried"
    hangs = f"echo once >>{tried} && exec sleep 53"
    checkpoints = (replace(first, restore=hangs), *others)
    stuck = replace(made, nodes=(replace(made.nodes[0], checkpoints=checkpoints),))
    outcome = carry_out(lab_node.node(), stuck, replace(OPTIONS, run_timeout=10))
    assert outcome.result is Result.CHANGED
    assert re.search(r'could not be put back; .* "sleep 53" had not ended', outcome.detail)
    assert tried.read_text() == "once\n"
    lab_node.wait_until_idle()


def test_a_failing_step_is_undone_and_said(lab_node: LabNode) -> None:
    before = settings(lab_node)
    made = with_step(plan(lab_node.node(), port()), "sh", "-c", "echo no such thing >&2; exit 3")
    outcome = carry_out(lab_node.node(), made)
    assert outcome.result is Result.ROLLED_BACK
    assert outcome.detail.strip() == '"one more" failed with exit code 3: no such thing'
    assert settings(lab_node) == before


def test_a_failing_rehearsal_changes_nothing(lab_node: LabNode) -> None:
    made = with_step(plan(lab_node.node(), port()), "true", rehearsal=("false",))
    outcome = carry_out(lab_node.node(), made)
    assert outcome.result is Result.ROLLED_BACK
    assert outcome.detail.startswith('The rehearsal of "one more" failed')
    assert not (lab_node.state / "host").exists()


def test_a_read_back_that_differs_is_undone(lab_node: LabNode) -> None:
    before = settings(lab_node)
    made = with_step(
        plan(lab_node.node(), port()), "sh", "-c", "echo 0 >/proc/sys/net/ipv4/ip_forward"
    )
    outcome = carry_out(lab_node.node(), made)
    assert outcome.result is Result.ROLLED_BACK
    assert [str(address) for address in outcome.moved] == ["host sysctl net.ipv4.ip_forward"]
    assert settings(lab_node) == before


def test_a_node_that_moved_is_stale_and_says_what_moved(lab_node: LabNode) -> None:
    node = lab_node.node()
    old = plan(node, port())
    assert carry_out(node, plan(node, port("web", "10.96.0.11"))).result is Result.APPLIED
    outcome = carry_out(node, old)
    assert outcome.result is Result.STALE
    assert {"host route 10.96.0.0/16", "host sysctl net.ipv4.ip_forward"} <= {
        str(address) for address in outcome.moved
    }


def test_a_stale_node_says_what_moved_that_the_plan_does_not_change(lab_node: LabNode) -> None:
    node = lab_node.node()
    assert carry_out(node, plan(node, port())).result is Result.APPLIED
    made = plan(node, port(), port("web", "10.96.0.11"))
    lab_node.run("iptables-nft -t nat -F PREROUTING")
    outcome = carry_out(node, made)
    assert (outcome.result, outcome.moved) == (Result.STALE, ())
    first, *others = outcome.detail.splitlines()
    assert first == "The node moved since the plan was made."
    assert "iptables was: + nft ip nat PREROUTING" in others
    assert "iptables is: - nft ip nat PREROUTING" in others


def test_a_stale_node_says_which_rows_of_its_table_moved(lab_node: LabNode) -> None:
    node = lab_node.node()
    node = replace(node, settings=replace(node.settings, proxy_mode=ProxyMode.NONE))
    old, other = plan(node, port()), plan(node, port(endpoints=("10.244.1.6",)))
    assert carry_out(node, other).result is Result.APPLIED
    outcome = carry_out(node, old)
    assert outcome.result is Result.STALE
    assert "Not as they were: shop/cart." in outcome.detail


def test_plans_of_other_services_do_not_make_each_other_stale(lab_node: LabNode) -> None:
    node = lab_node.node()
    node = replace(node, settings=replace(node.settings, proxy_mode=ProxyMode.NONE))
    cart, web, api = port(), port("web", "10.96.0.11"), port("api", "10.96.0.12")
    assert carry_out(node, plan(node, cart)).result is Result.APPLIED
    first, second = plan(node, cart, web), plan(node, cart, api)
    assert carry_out(node, first).result is Result.APPLIED
    assert carry_out(node, second).result is Result.APPLIED
    seen = observe([node], opener)[node.name]
    assert isinstance(seen, Observation)
    assert [row.name for row in seen.recorded.services] == ["shop/api", "shop/cart", "shop/web"]


def test_a_plan_is_not_applied_twice(lab_node: LabNode) -> None:
    node = lab_node.node()
    made = plan(node, port())
    assert carry_out(node, made).result is Result.APPLIED
    assert carry_out(node, made).result is Result.ALREADY_APPLIED
    lab_node.run("echo 0 >/proc/sys/net/ipv4/ip_forward")
    assert carry_out(node, made).result is Result.STALE


def test_a_plan_that_empties_is_not_applied_twice(lab_node: LabNode) -> None:
    node = lab_node.node()
    assert carry_out(node, plan(node, port())).result is Result.APPLIED
    made = propose(
        workspace(node),
        {node.name: intent(node, port())},
        observe([node], opener),
        ProposeOptions(destroy=True),
    )
    assert carry_out(node, made).result is Result.APPLIED
    assert carry_out(node, made).result is Result.ALREADY_APPLIED
    lab_node.wait_until_idle()
    assert not lab_node.state.exists()
    lab_node.run("iptables-nft -t nat -N SVCFORM-SERVICES")
    assert carry_out(node, made).result is Result.STALE


def test_a_held_lock_names_its_holder(lab_node: LabNode) -> None:
    start = Path(f"/proc/{os.getpid()}/stat").read_text().rpartition(")")[2].split()[19]
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    lab_node.state.mkdir(parents=True)
    lock = f"run\tx\nplan\tabc\nwho\tbob\nsource\tdesk\nsince\tnoon\nboot\t{boot}\n"
    (lab_node.state / "lock").write_text(f"{lock}process\t{os.getpid()} {start}\n")
    made = plan(lab_node.node(), port())
    assert made.nodes[0].locked_by == "bob from desk since noon (plan abc)"
    outcome = carry_out(lab_node.node(), made)
    assert (outcome.result, outcome.detail) == (
        Result.LOCKED,
        "bob from desk since noon (plan abc)",
    )


@pytest.mark.parametrize("boot", ["", "another-boot"])
def test_a_lock_whose_owner_is_gone_is_broken(lab_node: LabNode, boot: str) -> None:
    boot = boot or Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    lab_node.state.mkdir(parents=True)
    (lab_node.state / "lock").write_text(f"run\tx\nboot\t{boot}\nprocess\t{os.getpid()} 1\n")
    made = plan(lab_node.node(), port())
    assert made.nodes[0].locked_by == ""
    assert carry_out(lab_node.node(), made).result is Result.APPLIED


def test_a_lock_that_names_no_run_is_broken(lab_node: LabNode) -> None:
    """A node was emptied, and a process of that run wrote itself into the lock too late."""
    start = Path(f"/proc/{os.getpid()}/stat").read_text().rpartition(")")[2].split()[19]
    lab_node.state.mkdir(parents=True)
    (lab_node.state / "lock").write_text(f"process\t{os.getpid()} {start}\n")
    made = plan(lab_node.node(), port())
    assert made.nodes[0].locked_by == ""
    assert carry_out(lab_node.node(), made).result is Result.APPLIED
    lab_node.wait_until_idle()
    assert not (lab_node.state / "lock").exists()


def test_a_run_that_is_emptied_leaves_no_lock_behind(lab_node: LabNode) -> None:
    node = lab_node.node()
    for _ in range(3):
        assert carry_out(node, plan(node, port())).result is Result.APPLIED
        made = propose(
            workspace(node),
            {node.name: intent(node, port())},
            observe([node], opener),
            ProposeOptions(destroy=True),
        )
        assert carry_out(node, made).result is Result.APPLIED
        lab_node.wait_until_idle()
        assert not lab_node.state.exists()


def test_applies_at_once_never_interleave(lab_node: LabNode) -> None:
    node = lab_node.node()
    plans = [plan(node, port(f"web{n}", f"10.96.0.{n}")) for n in range(1, 5)]
    with ThreadPoolExecutor() as pool:
        results = [o.result for o in pool.map(lambda made: carry_out(node, made), plans)]
    assert results.count(Result.APPLIED) == 1
    assert set(results) <= {Result.APPLIED, Result.LOCKED, Result.STALE}


def test_another_machine_is_refused(lab_node: LabNode) -> None:
    made = plan(lab_node.node(), port())
    entry = made.nodes[0]
    assert entry.binding is not None
    other = replace(entry, binding=replace(entry.binding, machine_id="f" * 32))
    outcome = carry_out(lab_node.node(), replace(made, nodes=(other,)))
    assert outcome.result is Result.REFUSED
    assert "another machine" in outcome.detail
    elsewhere = replace(entry, binding=replace(entry.binding, address="192.0.2.99", port=22))
    outcome = carry_out(lab_node.node(), replace(made, nodes=(elsewhere,)))
    assert outcome.result is Result.REFUSED
    assert outcome.detail == (
        "The plan is for a node at 192.0.2.99 port 22, and this one is at 192.0.2.11: plan again."
    )
    assert not lab_node.state.exists()


def test_another_project_needs_to_take_over(lab_node: LabNode) -> None:
    node = lab_node.node()
    assert carry_out(node, plan(node, port())).result is Result.APPLIED
    problem = plan(node, port(), project="other").nodes[0].problem
    assert problem is not None
    assert problem.reason == "ownership"
    assert carry_out(node, plan(node, port(), project="other", take_over=True)).result is (
        Result.APPLIED
    )
    assert lab_node.run(f"cat {lab_node.state}/project") == "other\n"
    assert plan(node, port(), project="other").is_empty


def test_a_newer_layout_is_refused_by_version(lab_node: LabNode) -> None:
    lab_node.state.mkdir(parents=True)
    (lab_node.state / "layout").write_text("7\n")
    problem = plan(lab_node.node(), port()).nodes[0].problem
    assert problem is not None
    assert "layout 7" in problem.message


def test_a_newer_layout_is_refused_by_the_version_that_wrote_it(lab_node: LabNode) -> None:
    node = lab_node.node()
    assert carry_out(node, plan(node, port())).result is Result.APPLIED
    lab_node.wait_until_idle()
    receipt = lab_node.state / "receipts/00000001"
    assert f"\nsvcform\t{__version__}\n" in receipt.read_text()
    receipt.write_text(
        receipt.read_text()
        .replace(f"svcform\t{__version__}", "svcform\t9.2.0")
        .replace("layout\t1", "layout\t7")
    )
    (lab_node.state / "layout").write_text("7\n")
    problem = plan(node, port()).nodes[0].problem
    assert problem is not None
    assert "A newer svcform (9.2.0) wrote the node, with layout 7" in problem.message
    assert problem.remedy == "Use svcform 9.2.0, or another that knows layout 7."


def test_undo_and_history_work_on_the_console(lab_node: LabNode) -> None:
    node = lab_node.node()
    runner = f"sh {lab_node.state}/runner"
    assert carry_out(node, plan(node, port())).result is Result.APPLIED
    assert carry_out(node, plan(node, port(), port("web", "10.96.0.11"))).result is Result.APPLIED
    assert "2 Service ports\nno lock" in lab_node.run(f"{runner} status")
    lab_node.run(f"{runner} undo")
    assert "1 Service ports\nno lock" in lab_node.run(f"{runner} status")
    assert [line.split()[1] for line in lab_node.run(f"{runner} history").splitlines()] == [
        "applied",
        "applied",
        "restored",
    ]


def test_a_truncated_bundle_is_refused(lab_node: LabNode) -> None:
    with lab_node.session() as session:
        result = session.exec(carry_script(), stdin=b"svcform-bundle 2 99 10 10 1 ab\nrunner")
    assert b"cut short" in result.stdout
    assert not list(lab_node.state.glob("runs/*"))


def test_a_disk_that_fills_up_in_the_middle_does_not_keep_the_node_from_going_back(
    lab_node: LabNode,
) -> None:
    before = settings(lab_node)
    lab_node.run(f"mkdir -p {lab_node.state}; mount -t tmpfs -o size=1500k none {lab_node.state}")
    made = plan(lab_node.node(), port())
    fill = f"cat /dev/zero >{lab_node.state}/fill 2>/dev/null; true"
    outcome = carry_out(lab_node.node(), with_step(made, "sh", "-c", fill))
    assert outcome.result is Result.ROLLED_BACK
    assert settings(lab_node) == before
    lab_node.wait_until_idle()
    assert carry_out(lab_node.node(), made).result is Result.ROLLED_BACK
    assert settings(lab_node) == before
    lab_node.run(f"rm {lab_node.state}/fill")
    assert carry_out(lab_node.node(), plan(lab_node.node(), port())).result is Result.APPLIED
