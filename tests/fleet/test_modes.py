"""The proxy mode of a live node is changed, over SSH, under a load of new connections."""

from __future__ import annotations

import itertools
import subprocess
import sys

import pytest
import yaml

from svcform.lab import lab as labs
from svcform.lab.spec import EndpointSpec, LabSpec, NodeSpec
from tests.fleet.projects import Project
from tests.flow.under_test import proxies

pytestmark = pytest.mark.root

MODES = [backend.mode.value for backend in proxies()]
CHANGES = list(itertools.permutations(MODES, 2))
#: New connections one after the other until it is told to stop; then how many failed, and whether
#: a connection that was opened at first still answers.
_LOAD = r"""
import select, socket, sys
address = (sys.argv[1], int(sys.argv[2]))
kept = socket.create_connection(address, 5)
print("ready", flush=True)
count = failed = 0
while not select.select([sys.stdin], [], [], 0)[0]:
    count += 1
    try:
        with socket.create_connection(address, 3) as one:
            one.settimeout(3)
            one.sendall(b"who?\n")
            failed += b"endpoint=" not in one.recv(4096)
    except OSError:
        failed += 1
kept.settimeout(5)
kept.sendall(b"who?\n")
print(count, failed, b"endpoint=" in kept.recv(4096), flush=True)
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    directory = tmp_path_factory.mktemp("modes") / "lab"
    yield labs.up(
        LabSpec(
            directory=directory,
            nodes=(NodeSpec(name="n1"),),
            endpoints=(EndpointSpec(name="e1", node="n1"), EndpointSpec(name="e2", node="n1")),
        )
    )
    labs.down(directory)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """One project: a node belongs to it."""
    return tmp_path_factory.mktemp("project")


def project_of(lab, path, mode):
    project = Project(path)
    inventory = yaml.safe_load(lab.inventory().read_text())
    places = [f"{lab.addresses(name)[0]}@n1" for name in ("e1", "e2")]
    project.write(inventory, places, proxy_mode=mode)
    web = path / "services/web.yml"
    ports = "clusterIP: 10.96.0.80\n  ports: [{name: http, port: 80, nodePort: 30080, "
    text = web.read_text().replace("replicas: 3", "replicas: 2")
    web.write_text(text.replace("ports: [{name: http, port: 80, ", ports))
    (path / "known_hosts").write_bytes((lab.directory / "known_hosts").read_bytes())
    return project


def traces(lab):
    """What there is of each mode on the node."""
    found = set()
    if b"SVCFORM" in lab.run("n1", ["sh", "-c", "iptables-save; ip6tables-save"]).stdout:
        found.add("iptables")
    if b"svcform" in lab.run("n1", ["nft", "list", "tables"]).stdout:
        found.add("nftables")
    return found


def begin_load(lab, address, port):
    command = [sys.executable, "-c", _LOAD, address, str(port)]
    load = subprocess.Popen(
        lab.command("client", command, machine=False),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert load.stdout.readline() == "ready\n"
    return load


@pytest.mark.parametrize(("old", "new"), CHANGES, ids=lambda mode: mode)
def test_no_new_connection_fails_and_none_breaks_and_nothing_of_the_old_mode_is_left(
    lab, path, old, new
):
    project = project_of(lab, path, old)
    said = project.svcform("apply", "--auto-approve")
    assert said.code == 0, said
    assert traces(lab) == {old}
    loads = [begin_load(lab, "10.96.0.80", 80), begin_load(lab, lab.addresses("n1")[0], 30080)]
    try:
        site = project.path / "playbooks/site.yml"
        site.write_text(site.read_text().replace(f"proxy_mode: {old}", f"proxy_mode: {new}"))
        said = project.svcform("apply", "--auto-approve")
        ends = [load.communicate("\n", timeout=20)[0].split() for load in loads]
    finally:
        for load in loads:
            load.kill()
            load.wait()

    assert said.code == 0, said
    assert traces(lab) == {new}
    for count, failed, lives in ends:
        assert int(count) > 50
        assert (failed, lives) == ("0", "True")


@pytest.mark.parametrize("mode", MODES)
def test_what_nobody_confirms_is_put_back(lab, path, mode):
    """The address on which svcform reaches the node goes to a Service: the node undoes it."""
    project = project_of(lab, path, mode)
    assert project.svcform("apply", "--auto-approve").code == 0
    before = lab.run("n1", ["sh", "-c", "iptables-save; nft -s list ruleset"]).stdout
    web = project.path / "services/web.yml"
    address = lab.addresses("n1")[0]
    greedy = f"clusterIP: 10.96.0.80\n  externalIPs: [{address}]\n"
    text = web.read_text().replace("clusterIP: 10.96.0.80\n", greedy)
    web.write_text(text.replace("port: 80,", "port: 22,"))

    said = project.svcform(
        "apply", "--auto-approve", "--allow-lockout", "--confirm-timeout", "3", "--timeout", "3"
    )

    assert said.code == 5, said
    after = lab.run("n1", ["sh", "-c", "iptables-save; nft -s list ruleset"]).stdout
    assert _words(after) == _words(before)


def _words(listing):
    """In no order: chains and sets are listed as they were made."""
    lines = [line for line in listing.splitlines() if not line.startswith(b"#")]
    return sorted(b" ".join(lines).replace(b",", b" ").split())
