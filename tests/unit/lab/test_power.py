"""Power and wires of a lab's nodes."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from svcform.errors import LabError
from svcform.lab import lab as labs
from svcform.lab import spec
from svcform.lab.lab import Lab
from svcform.lab.spec import LabSpec, NodeSpec

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    directory = tmp_path_factory.mktemp("lab") / ".lab"
    yield labs.up(spec.cluster(directory, nodes=2))
    labs.down(directory)


def out(lab: Lab, place: str, script: str) -> str:
    return lab.run(place, ["sh", "-c", f"PATH=$PATH:/usr/sbin:/sbin\n{script}"]).stdout.decode()


def ssh(lab: Lab, node: str, seconds: int = 60) -> str:
    port = str(lab.state["nodes"][node]["port"])
    known = f"UserKnownHostsFile={lab.directory / 'known_hosts'}"
    words = ["ssh", "-F", "none", "-o", "BatchMode=yes", "-o", f"ConnectTimeout={seconds}"]
    words += ["-o", known, "-i", str(lab.directory / "id_ed25519"), "-p", port]
    words += ["ops@127.0.0.1", "hostname"]
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout


LEAVE_TRACES = """
for tool in iptables-nft iptables-legacy ip6tables-nft ip6tables-legacy; do $tool -N remnant; done
nft add table inet remnant; ipset create remnant hash:ip
ip link add remnant type veth peer name remnant2
ip route add 198.51.100.0/24 dev lo; echo 1 >/proc/sys/net/ipv4/ip_forward
touch /run/remnant /tmp/remnant /var/lib/svcform/kept
setsid sleep 1000 </dev/null >/dev/null 2>&1 &
"""
LOOK = """
for tool in iptables-nft iptables-legacy ip6tables-nft ip6tables-legacy; do $tool-save; done
nft list ruleset; ipset list; ip -o link; ip route
ls /run /tmp; ps -eo args
"""
REMNANTS = ("remnant", "198.51.100", "sleep 1000")


def test_a_reboot_leaves_the_disk_and_nothing_else(lab: Lab):
    boot_id = "cat /proc/sys/kernel/random/boot_id"
    routes = out(lab, "node-1", "ip route; ip -6 route")
    before = out(lab, "node-1", boot_id)
    out(lab, "node-1", LEAVE_TRACES)
    left = out(lab, "node-1", LOOK)
    assert all(trace in left for trace in REMNANTS)
    assert left.count("remnant") >= 9

    lab.reboot("node-1")

    after = out(lab, "node-1", LOOK)
    assert [trace for trace in REMNANTS if trace in after] == []
    assert out(lab, "node-1", "cat /proc/sys/net/ipv4/ip_forward; ls /var/lib/svcform") == (
        "0\nkept\n"
    )
    assert out(lab, "node-1", boot_id) != before
    assert out(lab, "node-1", "ip route; ip -6 route") == routes
    assert labs.status(lab.directory) == lab


def test_after_a_reboot_everybody_reaches_everybody(lab: Lab):
    lab.reboot("node-1")

    assert ssh(lab, "node-1") == "node-1\n"
    out(lab, "node-1", "for v in ipv4 ipv6; do echo 1 >/proc/sys/net/$v/conf/all/forwarding; done")
    for place in ("node-1", "node-2"):
        for address in lab.addresses("endpoint-1-1"):
            url = f"http://[{address}]:8080/" if ":" in address else f"http://{address}:8080/"
            assert "endpoint=endpoint-1-1" in out(lab, place, f"curl -sS -m 5 {url}")


def test_svcforms_boot_script_runs_before_sshd_serves(lab: Lab):
    script = "#!/bin/sh\\npidof sshd >/dev/null || echo $1 >/run/booted\\n"
    out(
        lab,
        "node-2",
        f"printf '{script}' >/etc/init.d/svcform; chmod 755 /etc/init.d/svcform;"
        "mkdir -p /etc/rc2.d; ln -s ../init.d/svcform /etc/rc2.d/S01svcform",
    )

    lab.reboot("node-2")

    assert out(lab, "node-2", "cat /run/booted") == "start\n"


def test_a_cut_wire_carries_nothing_until_it_is_mended(lab: Lab):
    link = out(lab, "node-1", "ip -o link show eth0; ip route; ip -6 route")

    lab.cut("node-1")
    assert ssh(lab, "node-1", seconds=2) == ""
    assert out(lab, "node-1", "ip -o link show eth0; ip route; ip -6 route") == link
    assert ssh(lab, "node-2") == "node-2\n"
    lab.mend("node-1")

    limit = time.monotonic() + 120
    while ssh(lab, "node-1", seconds=10) != "node-1\n":
        assert time.monotonic() < limit


def test_a_node_that_is_not_there_is_named(lab: Lab):
    for act in (lab.reboot, lab.cut, lab.mend):
        with pytest.raises(LabError, match="no node nobody; it has node-1, node-2"):
            act("nobody")


def test_a_node_without_ssh_boots_too_and_the_inventory_follows(
    new_lab: Callable[[LabSpec], Lab], tmp_path: Path
):
    built = new_lab(LabSpec(directory=tmp_path / "lab", nodes=(NodeSpec(name="n1", ssh=False),)))

    built.reboot("n1")

    assert f"svcform_lab_pid: {built.state['nodes']['n1']['pid']}\n" in (
        built.inventory().read_text()
    )
    assert out(built, "n1", "hostname") == "n1\n"
