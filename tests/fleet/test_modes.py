"""The proxy mode of a live node is changed, over SSH, under a load of new connections."""

from __future__ import annotations

import contextlib
import itertools
import json
import subprocess
import sys

import pytest
import yaml

from svcform.lab import lab as labs
from svcform.lab.spec import EndpointSpec, LabSpec, NodeSpec
from svcform.model.settings import ProxyMode
from tests.fleet.projects import Project
from tests.flow.arena import Kind
from tests.flow.mode_table import established
from tests.flow.nodes import kind_for
from tests.flow.under_test import proxies

pytestmark = pytest.mark.root

MODES = [backend.mode.value for backend in proxies() if kind_for(backend) is Kind.NAMESPACE]
#: Those from one mode stand side by side: each of them ends in the mode that it began with.
CHANGES = list(itertools.permutations(MODES, 2))
SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: NodePort
  selector: {app: web}
  clusterIP: 10.96.0.80
  ports:
"""
PORTS = {"TCP": 30080, "UDP": 30081, "SCTP": 30082}
PORT = "  - {name: %s, protocol: %s, port: 80, nodePort: %d, targetPort: 8080}\n"


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


def project_of(lab, path, mode, protocols=tuple(PORTS)):
    project = Project(path)
    inventory = yaml.safe_load(lab.inventory().read_text())
    places = [f"{lab.addresses(name)[0]}@n1" for name in ("e1", "e2")]
    project.write(inventory, places, proxy_mode=mode)
    web = path / "services/web.yml"
    ports = "".join(PORT % (p.lower(), p, number) for p, number in PORTS.items() if p in protocols)
    workload = web.read_text().partition("---\n")[2].replace("replicas: 3", "replicas: 2")
    web.write_text(f"{SERVICE}{ports}---\n{workload}")
    (path / "known_hosts").write_bytes((lab.directory / "known_hosts").read_bytes())
    return project


def begin_load(lab, address, ports):
    words = [f"{protocol}:{port}" for protocol, port in ports.items()]
    command = [sys.executable, "-m", "tests.fleet.load", address, *words]
    load = subprocess.Popen(
        lab.command("client", command, machine=False),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert load.stdout.readline() == "ready\n"
    return load


def protocols_of(*modes):
    """Those that all of some modes have: a proxy takes no SCTP."""
    terminates = any(ProxyMode(mode).terminates for mode in modes)
    return [protocol for protocol in PORTS if not (terminates and protocol == "SCTP")]


def may_lose(protocol, mode):
    """How many new connections on the way to a mode.

    nginx 1.22 drops what is under way as it loads: an old worker closes the socket that the answers
    would leave by.
    """
    return int(protocol == "UDP" and ProxyMode(mode).terminates)


@contextlib.contextmanager
def load_on(lab, protocols):
    """What was seen of each frontend meanwhile, in the list, when it is over."""
    seen = []
    loads = [
        begin_load(lab, "10.96.0.80", dict.fromkeys(protocols, 80)),
        begin_load(lab, lab.addresses("n1")[0], {p: PORTS[p] for p in protocols}),
    ]
    try:
        yield seen
        told = [load.communicate("\n", timeout=60)[0].splitlines() for load in loads]
        seen += map(json.loads, itertools.chain(*told))
    finally:
        for load in loads:
            load.kill()
            load.wait()


@pytest.mark.parametrize(("old", "new"), CHANGES, ids=lambda mode: mode)
def test_no_new_connection_fails_and_nothing_of_the_old_mode_is_left(lab, path, old, new):
    """What becomes of established ones is what docs/modes.md says.

    Nor does one fail on the way back, which the node goes as its guard would, all by itself.
    """
    protocols = protocols_of(old, new)
    project = project_of(lab, path, old, protocols)
    said = project.svcform("apply", "--auto-approve", "--allow-deletions")
    assert said.code == 0, said
    site = project.path / "playbooks/site.yml"
    with load_on(lab, protocols) as change:
        site.write_text(site.read_text().replace(f"proxy_mode: {old}", f"proxy_mode: {new}"))
        said = project.svcform("apply", "--auto-approve")

    assert said.code == 0, said
    assert project.svcform("plan", "--detailed-exitcode").code == 0
    for seen in change:
        assert seen["count"] > 20, seen
        assert len(seen["failed"]) <= may_lose(seen["protocol"], new), seen
        assert seen["served"], seen
        wanted = established(old, new, seen["protocol"])
        # A datagram may reach the endpoint that it had, by chance.
        if wanted == "live on" or seen["protocol"] == "TCP":
            assert seen["kept"] is (wanted == "live on"), seen

    with load_on(lab, protocols) as way_back:
        done = lab.run("n1", ["sh", "/var/lib/svcform/runner", "undo"])
        assert done.returncode == 0, done

    for seen in way_back:
        assert seen["count"], seen
        assert len(seen["failed"]) <= may_lose(seen["protocol"], old), seen
    site.write_text(site.read_text().replace(f"proxy_mode: {new}", f"proxy_mode: {old}"))
    said = project.svcform("plan", "--detailed-exitcode")
    assert said.code == 0, said


@pytest.mark.parametrize("mode", MODES)
def test_nothing_of_another_mode_is_left(lab, path, mode):
    project = project_of(lab, path, mode, protocols_of(mode))
    assert project.svcform("apply", "--auto-approve", "--allow-deletions").code == 0
    listed = lab.run("n1", ["sh", "-c", "iptables-save; ip6tables-save; nft list tables"]).stdout
    has = {"iptables": b"SVCFORM-SERVICES", "nftables": b"svcform"}

    for other, trace in has.items():
        assert (trace in listed) is (other == mode or (other == "iptables" and mode == "userspace"))


@pytest.mark.parametrize("mode", MODES)
def test_what_nobody_confirms_is_put_back(lab, path, mode):
    """The address on which svcform reaches the node goes to a Service: the node undoes it."""
    project = project_of(lab, path, mode, protocols_of(mode))
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
