"""The scripts do and undo what they say, in a namespace of their own."""

from __future__ import annotations

import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

from svcform.backends.contract import Probe, Reading, RenderInput, Status
from svcform.backends.host import HOST
from svcform.backends.host.objects import HostObject, Route, Sysctl
from svcform.model.facts import Facts
from svcform.model.net import Family
from svcform.plan.diff import compare
from svcform.plan.snapshot import Snapshot
from svcform.program.program import Program, Step

pytestmark = pytest.mark.root

WANTED: list[HostObject] = [
    Sysctl("net.ipv4.ip_forward", "1"),
    Sysctl("net.ipv6.conf.all.forwarding", "1"),
    Sysctl("net.ipv6.conf.e0.accept_ra", "2"),
    Sysctl("net.ipv4.conf.all.route_localnet", "1"),
    Sysctl("net.ipv4.ip_local_reserved_ports", "10240-29999"),
    Route(Family.IPV4, "10.96.0.0/16", "192.0.2.11"),
    Route(Family.IPV6, "fd00:96::/112", "fd00::11"),
]
SETUP = """
ip link set lo up; ip link add e0 type veth peer name e1; ip link set e1 up
ip addr add 192.0.2.11/24 dev e0; ip addr add fd00::11/64 dev e0 nodad; ip link set e0 up
echo 0 >/proc/sys/net/ipv4/ip_forward
"""
#: What is link-local comes when the kernel has asked whether anybody else has it.
LOOK = """
cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding \
  /proc/sys/net/ipv6/conf/e0/accept_ra /proc/sys/net/ipv4/conf/all/route_localnet \
  /proc/sys/net/ipv4/ip_local_reserved_ports
ip -4 route; ip -6 route | grep -v 'fe80:'
"""


class HostNode:
    """Commands that run one after the other in one namespace."""

    def __init__(self, state: Path, shell: list[str], programs: Path) -> None:
        self.state, self.shell, self.programs = state, shell, programs
        self.holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", f"{SETUP} echo ready; exec sleep 100"],
            stdout=subprocess.PIPE,
        )
        assert self.holder.stdout is not None
        assert self.holder.stdout.readline() == b"ready\n"

    def run(self, script: str, stdin: bytes = b"", *arguments: str) -> bytes:
        command = ["nsenter", "--target", str(self.holder.pid), "--net", "--"]
        path = f"{self.programs}:/usr/sbin:/usr/bin:/sbin:/bin"
        environment = {"PATH": path, "SVCFORM_STATE": str(self.state)}
        result = subprocess.run(
            [*command, *self.shell, "-c", script, "sh", *arguments],
            input=stdin,
            capture_output=True,
            env=environment,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout

    def reading(self) -> dict[str, Reading]:
        (probe,) = HOST.probes()
        assert isinstance(probe, Probe)
        return {probe.name: Reading(status=Status.READ, output=self.run(probe.script))}

    def live(self) -> Snapshot:
        return HOST.read(self.reading(), Facts())

    def carry_out(self, steps: tuple[Step, ...]) -> None:
        for step in steps:
            assert step.command[:2] == ("sh", "-c")
            self.run(step.command[2], step.stdin)

    def program(self, wanted: Snapshot) -> Program:
        live = self.live()
        return HOST.render(
            RenderInput(
                changes=compare(live, wanted),
                live=live,
                wanted=wanted,
                readings=self.reading(),
                facts=Facts(),
            )
        )


@pytest.fixture(params=[["dash"], ["busybox", "sh"]], ids=["dash", "busybox"])
def host(tmp_path: Path, request: pytest.FixtureRequest):
    programs = tmp_path / "programs"
    programs.mkdir()
    if "busybox" in request.param:
        # Its ip tells no protocols, and Alpine has no other.
        (programs / "ip").symlink_to("/usr/bin/busybox")
    node = HostNode(tmp_path / "state", request.param, programs)
    yield node
    node.holder.kill()
    node.holder.wait()


def snapshot(*entries: HostObject) -> Snapshot:
    return {entry.address: entry for entry in entries}


def test_what_is_rendered_is_what_is_read_back(host: HostNode) -> None:
    program = host.program(snapshot(*WANTED))
    for entry in program.fingerprints:
        assert host.run(entry.script, entry.operands) == entry.expected
    host.carry_out(program.steps)
    assert host.live() == snapshot(*WANTED)
    assert host.program(snapshot(*WANTED)) == Program()


def test_undo_and_removal_leave_only_forwarding(host: HostNode) -> None:
    before = host.run(LOOK).replace(b"0", b"1", 1)
    program = host.program(snapshot(*WANTED))
    host.carry_out(program.steps)
    host.carry_out(program.undo)
    assert host.run(LOOK) == before
    assert not (host.state / "host").exists()
    host.carry_out(host.program(snapshot(*WANTED)).steps)
    removal = host.program({})
    for entry in removal.fingerprints:
        assert host.run(entry.script, entry.operands) == entry.expected
    host.carry_out(removal.steps)
    assert host.run(LOOK) == before


@pytest.mark.parametrize("known", [0, 3, 6])
def test_a_checkpoint_puts_back_all_of_it(host: HostNode, tmp_path: Path, known: int) -> None:
    host.carry_out(host.program(snapshot(*WANTED[:known])).steps)
    before, there = host.run(LOOK), host.live()
    checkpoint = HOST.checkpoint()
    (tmp_path / "kept").mkdir()
    host.run(checkpoint.save, b"", str(tmp_path / "kept"))
    host.carry_out(host.program(snapshot(*WANTED[2:])).steps)
    host.run(checkpoint.restore, b"", str(tmp_path / "kept"))
    assert (host.run(LOOK), host.live()) == (before, there)


def test_a_change_by_hand_shows_and_is_mended(host: HostNode) -> None:
    host.carry_out(host.program(snapshot(*WANTED)).steps)
    host.run("echo 0 >/proc/sys/net/ipv4/ip_forward; ip route del 10.96.0.0/16")
    assert [str(address) for address in set(snapshot(*WANTED)) - set(host.live())] == [
        "host route 10.96.0.0/16"
    ]
    host.carry_out(host.program(snapshot(*WANTED)).steps)
    assert host.live() == snapshot(*WANTED)


def test_a_unit_without_an_end_of_its_last_line_hides_nothing(host: HostNode) -> None:
    """Of units that are in ``/etc`` there is no other node here than this machine itself."""
    units = [host.programs / f"svcform{which}.service" for which in ("", "-late")]
    for unit in units:
        unit.write_text("# svcform\n# mine")
    found = " ".join(map(str, units))
    given = f"our_units() {{ echo {found}; }}; own_addresses() {{ echo 192.0.2.9; }}\n"
    look = files("svcform.backends.host").joinpath("look.sh").read_text()

    said = host.run(f"is_enabled() {{ :; }}; our_routes() {{ :; }}; {given}{look}").splitlines()

    assert sum(line.endswith(b".service\t|# mine") for line in said) == len(units)
    assert b"address\t192.0.2.9\t-\t-" in said


def test_the_nodes_own_packets_find_the_way(host: HostNode) -> None:
    """Without the route the kernel has nowhere to send a clusterIP's packets."""
    target = "ip -4 route get 10.96.0.10 2>&1 || true; ip -6 route get fd00:96::10 2>&1 || true"
    assert host.run(target).count(b"nreachable") == 2
    host.carry_out(host.program(snapshot(*WANTED)).steps)
    assert b"dev lo src 192.0.2.11" in host.run(target).replace(b"  ", b" ")
    assert b"src fd00::11" in host.run(target)
