"""With the real tools and the kernel's own tables, in both variants."""

from __future__ import annotations

import subprocess
from dataclasses import replace

import pytest

from svcform.backends.proxy.iptables import IPTABLES
from svcform.model.service import ServicePort
from tests.unit.backends.proxy.iptables.workspaces import (
    SETTINGS,
    everything,
    intent,
    nothing,
    other_mode,
    service,
)

pytestmark = pytest.mark.root

FOREIGN = """\
*nat
:PREROUTING ACCEPT [0:0]
:DOCKER - [0:0]
:KUBE-SERVICES - [0:0]
-A PREROUTING -m comment --comment "not SVCFORM- at all" -j KUBE-SERVICES
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A DOCKER -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
COMMIT
*filter
:DOCKER-USER - [0:0]
:INPUT ACCEPT [0:0]
-A INPUT -p tcp -m tcp --dport 22 -m limit --limit 3/min -j ACCEPT
-A FORWARD -j DOCKER-USER
-A DOCKER-USER -m set ! --match-set absent src -j RETURN
COMMIT
""".replace("-A DOCKER-USER -m set ! --match-set absent src -j RETURN\n", "")
SHELLS = [("dash",), ("busybox", "sh")]


def _foreign(kernel) -> None:
    for tool in ("iptables", "ip6tables"):
        text = FOREIGN if tool == "iptables" else FOREIGN.replace("172.17.0.2:80", "[fd00::2]:80")
        kernel.run(f"{tool}-{kernel.variant}-restore", given=text.encode())


def test_a_second_plan_is_empty(kernel):
    wanted = intent(everything())
    assert kernel.apply(wanted).changes
    assert kernel.plan(wanted).changes == ()


def test_destroy_leaves_foreign_rules_byte_for_byte(kernel):
    _foreign(kernel)
    before = kernel.save("ip"), kernel.save("ip6")
    kernel.apply(intent(everything()))
    assert (kernel.save("ip"), kernel.save("ip6")) != before
    kernel.apply(nothing())
    assert (kernel.save("ip"), kernel.save("ip6")) == before


def test_another_mode_takes_everything_away(kernel):
    kernel.apply(intent(everything()))
    kernel.apply(other_mode())
    assert "SVCFORM" not in kernel.save("ip") + kernel.save("ip6")


def test_from_anything_to_anything_is_as_from_nothing(kernel):
    first = intent(everything(), endpoints=20)
    second = intent([service(n) for n in range(1, 60)], endpoints=70)
    kernel.apply(second)
    fresh = _ordered(kernel.save())
    kernel.apply(nothing())
    kernel.apply(first)
    kernel.apply(second)
    assert _ordered(kernel.save()) == fresh


def _ordered(listing: str) -> list[str]:
    """Chains are printed in the order of their making."""
    return sorted(line.partition(" [")[0] for line in listing.splitlines())


def test_undo_brings_back_what_was(kernel):
    _foreign(kernel)
    kernel.apply(intent(everything()))
    before = _ordered(kernel.save())
    planned = kernel.apply(intent([service(1), service(2)], endpoints=40))
    assert _ordered(kernel.save()) != before
    kernel.undo(planned.program)
    assert _ordered(kernel.save()) == before


def test_one_changed_service_touches_one_chain(kernel):
    services = [service(n) for n in range(1, 100)]
    kernel.apply(intent(services))
    changed = [*services[:49], replace(services[49], ports=(ServicePort(name="http", port=81),))]
    planned = kernel.plan(intent([*changed, *services[50:]]))
    chains = {change.address.path[1:] for change in planned.changes}
    assert len(chains) == 2  # one in each family
    assert len(planned.program.steps) == 2


@pytest.mark.parametrize(
    "damage",
    [
        "-t nat -A SVCFORM-VIPS -j ACCEPT",
        "-t nat -D SVCFORM-MASQUERADE 1",
        "-t nat -F SVCFORM-SERVICES",
        "-t nat -D PREROUTING 1",
        "-t nat -A OUTPUT -j SVCFORM-SERVICES",
        "-t filter -N SVCFORM-STRANGER",
        "-t filter -I SVCFORM-CHECK 2 -m limit --limit 5/sec -j RETURN",
    ],
)
def test_what_somebody_does_to_our_chains_is_drift_and_is_mended(kernel, damage):
    wanted = intent(everything())
    kernel.apply(wanted)
    before = _ordered(kernel.save())
    kernel.run(f"iptables-{kernel.variant}", *damage.split())
    assert kernel.plan(wanted).changes
    kernel.apply(wanted)
    assert kernel.plan(wanted).changes == ()
    assert _ordered(kernel.save()) == before


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_the_fingerprint_is_what_the_reading_said(kernel, shell, busybox_tools):
    _foreign(kernel)
    kernel.apply(intent(everything()))
    planned = kernel.plan(intent([service(1, affinity_seconds=5), service(90)], endpoints=5))
    (print_,) = planned.program.fingerprints
    run = busybox_tools if shell[0] == "busybox" else ()
    script = print_.script
    assert kernel.run(*run, *shell, "-c", script, given=print_.operands) == print_.expected.decode()
    kernel.run(f"iptables-{kernel.variant}", "-t", "nat", "-A", "SVCFORM-VIPS", "-j", "ACCEPT")
    assert kernel.run(*run, *shell, "-c", script, given=print_.operands) != print_.expected.decode()


@pytest.mark.parametrize(
    "chain", ["nat PREROUTING", "nat SVCFORM-SERVICES", "filter FORWARD", "filter SVCFORM-FORWARD"]
)
def test_the_fingerprint_covers_how_packets_come_here_and_no_rules_of_others(kernel, chain):
    table, name = chain.split()
    kernel.apply(intent([service(1)]))
    (print_,) = kernel.plan(intent([service(1), service(2)])).program.fingerprints
    tool = (f"iptables-{kernel.variant}", "-t", table)
    for built_in in ("PREROUTING", "OUTPUT") if table == "nat" else ("INPUT", "FORWARD"):
        kernel.run(*tool, "-I", built_in, "-s", "198.51.100.7", "-j", "ACCEPT")
    assert kernel.run("sh", "-c", print_.script, given=print_.operands) == print_.expected.decode()
    kernel.run(*tool, "-F", name)
    assert kernel.run("sh", "-c", print_.script, given=print_.operands) != print_.expected.decode()


def test_the_fingerprint_of_a_fresh_node_is_that_nothing_is_there(kernel):
    planned = kernel.plan(intent(everything()))
    (print_,) = planned.program.fingerprints
    assert kernel.run("sh", "-c", print_.script, given=print_.operands) == print_.expected.decode()


def test_the_fingerprint_ignores_what_the_plan_does_not_touch(kernel):
    services = [service(n) for n in range(1, 100)]
    kernel.apply(intent(services))
    (print_,) = kernel.plan(intent(services[:98])).program.fingerprints
    kernel.apply(intent([*services[:3], *services[4:]]))
    assert kernel.run("sh", "-c", print_.script, given=print_.operands) == print_.expected.decode()


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_a_checkpoint_brings_everything_of_ours_back(kernel, shell, busybox_tools, tmp_path):
    _foreign(kernel)
    run = busybox_tools if shell[0] == "busybox" else ()
    checkpoint = IPTABLES.checkpoint()
    kernel.apply(intent(everything()))
    before = kernel.save("ip"), kernel.save("ip6")
    kernel.run(*run, *shell, "-c", checkpoint.save, "save", str(tmp_path))
    kernel.apply(intent([service(1), service(91)], endpoints=30))
    kernel.run(f"iptables-{kernel.variant}", "-t", "nat", "-D", "PREROUTING", "1")
    kernel.run(*run, *shell, "-c", checkpoint.restore, "restore", str(tmp_path))
    assert [*map(_ordered, (kernel.save("ip"), kernel.save("ip6")))] == [*map(_ordered, before)]
    kernel.run(*run, *shell, "-c", checkpoint.restore, "restore", str(tmp_path))
    assert [*map(_ordered, (kernel.save("ip"), kernel.save("ip6")))] == [*map(_ordered, before)]


def test_a_checkpoint_of_nothing_takes_everything_away_and_leaves_the_rest(kernel, tmp_path):
    _foreign(kernel)
    before = kernel.save("ip"), kernel.save("ip6")
    checkpoint = IPTABLES.checkpoint()
    kernel.run("sh", "-c", checkpoint.save, "save", str(tmp_path))
    kernel.apply(intent(everything()))
    kernel.run("sh", "-c", checkpoint.restore, "restore", str(tmp_path))
    assert (kernel.save("ip"), kernel.save("ip6")) == before


def test_looking_makes_no_table(kernel):
    kernel.readings()
    assert kernel.run("cat", "/proc/net/ip_tables_names", "/proc/net/ip6_tables_names") == ""
    assert kernel.run("nft", "list", "tables") == ""


def test_both_variants_are_read_and_the_unwanted_one_is_emptied(kernel):
    other = replace(kernel, variant="legacy" if kernel.variant == "nft" else "nft")
    other.apply(intent(everything()))
    kernel.apply(intent(everything()))
    assert "SVCFORM" in kernel.save()
    assert "SVCFORM" not in other.save()


@pytest.fixture
def busybox_tools(tmp_path_factory) -> tuple[str, ...]:
    """Runs a command so that awk, sed, sort, grep and cut are busybox's."""
    folder = tmp_path_factory.mktemp("busybox")
    for tool in ("awk", "sort", "grep", "cut", "cat", "mv", "rm", "uname"):
        (folder / tool).write_text(f'#!/bin/sh\nexec busybox {tool} "$@"\n')
        (folder / tool).chmod(0o755)
    path = subprocess.run(["sh", "-c", "echo $PATH"], capture_output=True, text=True, check=True)
    return ("env", f"PATH={folder}:{path.stdout.strip()}")


@pytest.mark.parametrize("policy", ["ACCEPT", "DROP"])
def test_forward_begins_with_a_jump_that_accepts(kernel, policy):
    """Also where it accepts everything: what closes it later need not wait for a plan."""
    iptables = f"iptables-{kernel.variant}"
    kernel.run(iptables, "-A", "FORWARD", "-i", "eth0", "-j", "DROP")
    wanted = intent(everything())
    kernel.apply(wanted)
    kernel.run(iptables, "-P", "FORWARD", policy)
    first = kernel.run(iptables, "-S", "FORWARD").splitlines()[1]
    assert first == "-A FORWARD -m conntrack --ctstate DNAT -j SVCFORM-FORWARD"
    assert "-A FORWARD -m conntrack --ctstate DNAT -j SVCFORM-FORWARD" in kernel.save("ip6")
    assert kernel.plan(wanted).changes == ()


@pytest.mark.parametrize(
    ("command", "there"),
    [
        (("-S",), False),
        (("-P", "FORWARD", "DROP"), True),
        (("-A", "INPUT", "-s", "192.0.2.9", "-j", "DROP"), True),
    ],
    ids=["looked at", "closed", "used"],
)
def test_another_mode_has_the_jump_where_somebody_uses_iptables(kernel, command, there):
    """Whatever FORWARD does as yet; where nobody does, no table of iptables is made."""
    kernel.run(f"iptables-{kernel.variant}", *command)
    kernel.apply(other_mode())
    jump = "-A FORWARD -m conntrack --ctstate DNAT -j SVCFORM-FORWARD"
    assert (jump in kernel.save("ip")) == there
    assert "SVCFORM" not in kernel.save("ip6")
    assert kernel.plan(other_mode()).changes == ()


def test_node_ports_on_localhost_guard_the_loopback(kernel):
    wanted = intent(everything(), settings=replace(SETTINGS, localhost_node_ports=True))
    kernel.apply(wanted)
    assert "-A INPUT -d 127.0.0.0/8 -j SVCFORM-LOCALHOST" in kernel.save("ip")
    assert kernel.plan(wanted).changes == ()
