"""Labs are real nodes, and leave nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from svcform.errors import LabError
from svcform.lab import lab, spec
from svcform.lab.lab import Lab
from svcform.lab.spec import EndpointSpec, LabSpec, NodeSpec

Up = Callable[[LabSpec], Lab]
root = pytest.mark.root


def _out(built: Lab, place: str, script: str) -> str:
    done = built.run(place, ["sh", "-c", f"PATH=$PATH:/usr/sbin:/sbin\n{script}"])
    return done.stdout.decode().strip() or done.stderr.decode().strip()


def _ssh(built: Lab, node: str, script: str) -> subprocess.CompletedProcess[str]:
    command = [
        "ssh",
        *("-F", "none", "-o", "BatchMode=yes"),
        *("-o", f"UserKnownHostsFile={built.directory / 'known_hosts'}"),
        *("-i", str(built.directory / "id_ed25519")),
        *("-p", str(built.state["nodes"][node]["port"]), "ops@127.0.0.1", script),
    ]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@root
def test_nodes_are_machines_of_their_own(lab_of_three: Lab):
    script = "hostname; cat /etc/machine-id /proc/sys/kernel/random/boot_id"
    first, second = (_out(lab_of_three, node, script).split() for node in ("node-1", "node-2"))

    assert (first[0], second[0]) == ("node-1", "node-2")
    assert not set(first) & set(second)


@root
def test_nodes_start_without_forwarding_and_without_anything_of_svcforms(lab_of_three: Lab):
    script = "cat /proc/sys/net/ipv4/ip_forward; ls /var/lib/svcform /etc/svcform; iptables-save"

    assert _out(lab_of_three, "node-1", script).split() == [
        "0",
        "/etc/svcform:",
        "/var/lib/svcform:",
    ]


@root
def test_a_nodes_programs_are_read_only(lab_of_three: Lab):
    assert "Read-only" in _out(lab_of_three, "node-1", "touch /usr/bin/x")


@root
def test_ssh_reaches_each_node_with_its_pinned_host_key_and_from_the_controllers_address(
    lab_of_three: Lab,
):
    for number, node in enumerate(("node-1", "node-2", "node-3"), start=1):
        done = _ssh(lab_of_three, node, "hostname; echo $SSH_CONNECTION; sudo -n id -u")

        name, connection, uid = done.stdout.splitlines()
        peer, _, address, port = connection.split()
        expected = (node, "192.168.99.2", f"192.168.99.{10 + number}", "22", "0")
        assert (name, peer, address, port, uid) == expected


@root
def test_endpoints_say_who_they_are_and_who_calls(lab_of_three: Lab):
    for address in lab_of_three.addresses("endpoint-1-1"):
        url = f"http://[{address}]:8080/" if ":" in address else f"http://{address}:8080/"

        answer = _out(lab_of_three, "node-1", f"curl -sS -m 5 {url}")

        own = lab_of_three.addresses("node-1")[1 if ":" in address else 0]
        assert answer.startswith("endpoint=endpoint-1-1 address=")
        assert own in answer.rpartition("client=")[2]


@root
def test_a_node_is_as_its_specification_asks(new_lab: Up, tmp_path: Path):
    node = NodeSpec(
        name="odd",
        forward_policy="DROP",
        foreign_drop=True,
        default_route=False,
        become_password="correct horse",
        missing_tools=("iptables-restore",),
        sysctls=(("net.ipv4.conf.all.rp_filter", "1"),),
    )
    built = new_lab(LabSpec(directory=tmp_path / "lab", nodes=(node,)))

    assert "-P FORWARD DROP" in _out(built, "odd", "iptables -S FORWARD")
    assert "policy drop" in _out(built, "odd", "nft list chain inet fortress forward")
    assert _out(built, "odd", "ip route show default; command -v iptables-restore") == ""
    assert _out(built, "odd", "cat /proc/sys/net/ipv4/conf/all/rp_filter") == "1"
    assert "password is required" in _ssh(built, "odd", "sudo -n id").stderr
    assert "uid=0" in _ssh(built, "odd", "echo correct horse | sudo -S id").stdout


@root
def test_endpoints_have_any_address_a_test_wants(new_lab: Up, tmp_path: Path):
    endpoint = EndpointSpec(name="odd", node="node-1", addresses=("198.51.100.7",))
    wanted = LabSpec(
        directory=tmp_path / "lab",
        nodes=(NodeSpec(name="node-1", ssh=False),),
        endpoints=(endpoint,),
    )
    built = new_lab(wanted)

    answer = _out(built, "node-1", "curl -sS -m 5 http://198.51.100.7:8080/")

    assert "address=198.51.100.7:8080" in answer


@root
def test_a_node_keeps_its_syslog(lab_of_three: Lab):
    _out(lab_of_three, "node-1", "logger -t svcform hello")

    assert "svcform: hello" in _out(lab_of_three, "node-1", "cat /var/log/syslog")


def _mounts() -> list[str]:
    """All but those of named networks, which other tests make meanwhile, and no lab does."""
    lines = Path("/proc/mounts").read_text().splitlines()
    return [line for line in lines if " /run/netns" not in line]


def _processes(directory: Path) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = path.read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if str(directory) in text or "svcf-straggler" in text:
            found.append(text)
    return found


@root
@pytest.mark.parametrize("crash", [False, True], ids=["in order", "after a kill -9"])
def test_nothing_is_left_behind(tmp_path: Path, crash: bool):
    directory = tmp_path / "lab"
    mounts = _mounts()
    built = lab.up(spec.cluster(directory, nodes=2))
    _ssh(built, "node-1", "setsid sh -c 'sleep 1000 # svcf-straggler' </dev/null >/dev/null 2>&1 &")
    if crash:
        os.kill(built.state["pid"], signal.SIGKILL)
        time.sleep(0.2)

    assert lab.down(directory) is True
    assert _processes(directory) == []
    assert not directory.exists()
    assert _mounts() == mounts
    assert lab.down(directory) is False
    assert lab.status(directory) is None


@root
def test_a_second_lab_in_the_same_folder_is_refused(new_lab: Up, tmp_path: Path):
    new_lab(spec.embedded(tmp_path / "lab"))

    with pytest.raises(LabError, match="already up"):
        lab.up(spec.embedded(tmp_path / "lab"))


def test_the_embedded_lab_needs_no_root(new_lab: Up, tmp_path: Path):
    built = new_lab(spec.embedded(tmp_path / "lab"))

    assert "svcform_lab_pid" in built.inventory().read_text()
    assert _out(built, "node-1", "id -u; hostname").split() == ["0", "node-1"]
    rule = "-t nat -A POSTROUTING -j MASQUERADE"
    assert _out(built, "node-1", f"iptables {rule} && iptables-legacy {rule}") == ""
    assert "endpoint=endpoint-1" in _out(built, "node-1", "curl -sS http://10.244.1.5:8080/")


@root
def test_programs_of_this_machine_run_in_a_nodes_network(lab_of_three: Lab):
    done = lab_of_three.run("node-1", [sys.executable, "-c", "print(42)"], machine=False)

    assert done.stdout == b"42\n"


@root
def test_a_lab_that_is_made_in_a_chroot_has_machines_of_its_own(tmp_path: Path):
    """Its mount namespace's own root is the machine outside, which a node must not write to."""
    inside = tmp_path / "inside"
    inside.mkdir()
    script = f"""
        mount --rbind / {inside} && cd / && exec chroot {inside} sh -ec '
            cd {tmp_path}
            {sys.executable} -m svcform lab up --embedded >/dev/null
            {sys.executable} -m svcform lab exec node-1 ls {tmp_path} || echo hidden
            {sys.executable} -m svcform lab down'
    """
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)

    assert done.stdout.strip() == "hidden", done.stderr
