"""A node that nobody could put back at once: its checkpoint is kept, and tried again."""

from __future__ import annotations

import pytest

from tests.faults.node import STATE, wait_until
from tests.faults.scenario import PATIENT
from tests.faults.steps import BY_NAME

pytestmark = pytest.mark.root

SWITCH = BY_NAME["switch"]
ROLLED_BACK, STALE = 5, 3
#: What the kernel has; how the two ways there were recorded may differ.
KERNEL = (
    "iptables-nft",
    "ip6tables-nft",
    "iptables-legacy",
    "ip6tables-legacy",
    "sysctls",
    "routes",
)


@pytest.fixture
def node(nodes):
    taken = nodes.free.get()
    taken.reset()
    yield taken
    taken.kill_all()
    nodes.free.put(taken)


@pytest.fixture
def stranded(nodes, node):
    """A node whose apply failed, and whose way back did, for as long as /run/stubborn exists."""
    node.fail_at("settings that go")
    wrapper = node.root / "usr/local/sbin/sh"
    refuse = (
        'case " $* " in */checkpoint/iptables.restore*) [ ! -e /run/stubborn ] || exit 4 ;; esac'
    )
    wrapper.write_text(wrapper.read_text().replace("# more\n", f"{refuse}\n# more\n"))
    node.sh("touch /run/stubborn")
    said = nodes.project.apply(node.name).wait()
    assert node.await_quiet() == {}
    assert said.code == ROLLED_BACK
    assert "could not be put back" in said.out
    assert node.state() == "neither"
    yield node
    node.sh("rm -f /run/stubborn")


def kept(node):
    return node.sh(f"ls -d {STATE}/runs/*/checkpoint 2>/dev/null", check=False).split()


def is_old_and_clean(nodes, node):
    assert node.state() == "old", node.differences()
    assert (kept(node), node.litter()) == ([], [])
    assert nodes.project.plan(node.name) == nodes.baseline[node.name]


def test_the_next_apply_puts_it_back(nodes, stranded):
    assert len(kept(stranded)) == 1
    stranded.sh("rm /run/stubborn")
    said = nodes.project.apply(stranded.name).wait()
    assert (said.code, "put in order" in said.out) == (STALE, True), said
    is_old_and_clean(nodes, stranded)


def test_so_does_a_person_on_the_console(nodes, stranded):
    stranded.sh("rm /run/stubborn")
    stranded.sh(f"sh {STATE}/runner restore")
    is_old_and_clean(nodes, stranded)
    assert "rolled-back" in stranded.sh(f"sh {STATE}/runner history | tail -n 1")


def test_while_it_still_fails_a_new_plan_is_the_way_forward(nodes, stranded):
    again = nodes.project.apply(stranded.name).wait()
    assert again.code == STALE, again
    assert len(kept(stranded)) == 1

    said = nodes.project.svcform(
        "apply", "--limit", stranded.name, "--auto-approve", "--allow-deletions", *PATIENT
    )

    assert said.code == 0, said
    assert stranded.await_quiet() == {}
    now = stranded.look()
    assert {key: now[key] for key in KERNEL} == {key: stranded.new[key] for key in KERNEL}
    assert (kept(stranded), stranded.litter()) == ([], [])
    planned = nodes.project.plan(stranded.name)
    assert not planned["objects"], planned
    assert not planned["services"], planned


def test_a_boot_puts_back_a_node_that_was_left_alone(nodes, node):
    node.stop_at(SWITCH.stop, SWITCH.phase)
    controller = nodes.project.apply(node.name)
    assert wait_until(node.reached, 60)
    controller.process.kill()
    controller.process.join()
    node.kill_all()
    assert (node.state(), node.has_lock()) == ("neither", True)

    node.lab.reboot(node.name)

    is_old_and_clean(nodes, node)
