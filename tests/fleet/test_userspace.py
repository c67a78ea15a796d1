"""The proxies of userspace mode on a node over SSH: put back, there after a boot, and gone."""

from __future__ import annotations

import shutil
import sys
import time

import pytest
import yaml

from svcform.lab import lab as labs
from svcform.lab.spec import EndpointSpec, LabSpec, NodeSpec
from tests.fleet.projects import Project

pytestmark = pytest.mark.root

NODE = "node-1"
PORTS = {"TCP": 30080, "UDP": 30081}
SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: NodePort
  selector: {app: web}
  ports:
  - {name: http, protocol: TCP, port: 80, nodePort: 30080, targetPort: 8080}
  - {name: quic, protocol: UDP, port: 80, nodePort: 30081, targetPort: 8080}
---
apiVersion: v1
kind: Service
metadata: {name: balanced}
spec:
  type: LoadBalancer
  externalTrafficPolicy: Local
  healthCheckNodePort: 30099
  allocateLoadBalancerNodePorts: false
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: 8080}]
status: {loadBalancer: {ingress: [{ip: 203.0.113.80}]}}
"""
#: What the proxies read, but for the files that the node itself writes, and who listens.
LOOK = """
cat /etc/svcform/*/*.cfg /etc/svcform/nginx/nginx.conf /etc/svcform/*/services/*
ls /etc/svcform/*/* /etc/init.d/svcform* /etc/rc?.d/*svcform*
ss -H -l -n -t -u | awk '{ print $1, $5 }' | grep 169.254.20.11 | sort
iptables-save -t nat | grep SVCFORM
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    directory = tmp_path_factory.mktemp("userspace") / "lab"
    endpoints = tuple(EndpointSpec(name=f"endpoint-{i}", node=NODE) for i in range(2))
    yield labs.up(LabSpec(directory=directory, nodes=(NodeSpec(name=NODE),), endpoints=endpoints))
    labs.down(directory)


@pytest.fixture
def project(lab, tmp_path):
    made = Project(tmp_path / "project")
    write(made, lab, 0)
    shutil.copy(lab.directory / "known_hosts", made.path / "known_hosts")
    said = made.svcform("apply", "--auto-approve")
    assert said.code == 0, said
    yield made
    said = made.svcform("destroy", "--auto-approve")
    assert said.code == 0, said
    left = "ls -d /etc/svcform/* /etc/init.d/svcform* /run/svcform*"
    assert look(lab, left) == ""
    assert look(lab, "ps -e -o comm= | grep -E 'haproxy|nginx'") == ""
    assert look(lab, "ip -o address | grep -F 169.254.20.11") == ""


def write(project, lab, endpoint):
    """Let the Service go to one of the two endpoints."""
    inventory = yaml.safe_load(lab.inventory().read_text())
    place = f"{lab.addresses(f'endpoint-{endpoint}')[0]}@{NODE}"
    project.write(inventory, [place], proxy_mode="userspace")
    web = project.path / "services/web.yml"
    workload = web.read_text().partition("---\n")[2].replace("replicas: 3", "replicas: 1")
    web.write_text(f"{SERVICE}---\n{workload}")


def look(lab, script=LOOK):
    return lab.run(NODE, ["sh", "-c", script]).stdout.decode()


def reached(lab, protocol):
    """The endpoint that a client outside reaches, as soon as it does any."""
    words = [sys.executable, "-m", "svcform.lab.ask", lab.addresses(NODE)[0]]
    limit = time.monotonic() + 60
    while True:
        asked = lab.run("client", [*words, str(PORTS[protocol]), protocol, "1"], timeout=30)
        said = asked.stdout.decode()
        if not said.startswith("error=") or time.monotonic() > limit:
            return said.split()[0]


def is_healthy(lab):
    """Whether a load balancer hears of an endpoint on the node."""
    url = f"http://{lab.addresses(NODE)[0]}:30099/"
    words = ["curl", "-s", "-m", "10", "--retry-connrefused", "--retry", "60", "--retry-delay", "1"]
    return b'"localEndpoints":1,' in lab.run("client", [*words, url], timeout=300).stdout


def is_served_by(lab, endpoint):
    return is_healthy(lab) and {reached(lab, protocol) for protocol in PORTS} == {
        f"endpoint=endpoint-{endpoint}"
    }


def test_what_nobody_confirms_is_served_no_more(lab, project):
    """The node's sshd is cut off by the same apply that gives the Service another endpoint."""
    assert is_served_by(lab, 0)
    before = look(lab)
    write(project, lab, 1)
    web = project.path / "services/web.yml"
    greedy = f"spec:\n  externalIPs: [{lab.addresses(NODE)[0]}]\n  type: NodePort\n"
    text = web.read_text().replace("spec:\n  type: NodePort\n", greedy)
    web.write_text(text.replace("port: 80, nodePort: 30080", "port: 22, nodePort: 30080"))

    said = project.svcform(
        "apply", "--auto-approve", "--allow-lockout", "--confirm-timeout", "3", "--timeout", "3"
    )

    assert said.code == 5, said
    assert look(lab) == before
    assert is_served_by(lab, 0)


def test_a_node_that_boots_serves_again(lab, project):
    before = look(lab)

    lab.reboot(NODE)

    assert is_served_by(lab, 0)
    assert look(lab) == before
    said = project.svcform("plan", "--detailed-exitcode")
    assert said.code == 0, said


#: Kills all processes of the instance of HAProxy that carries traffic, and says how many.
KILL = """
count=0
for file in $(grep -ls etc/svcform/haproxy/haproxy.cfg /proc/[0-9]*/cmdline); do
	pid=${file#/proc/} && pid=${pid%/*}
	[ "$(cat /proc/$pid/comm 2>/dev/null)" != haproxy ] || { kill -9 $pid && count=$((count + 1)); }
done
echo $count
"""


def test_what_dies_again_is_started_again(lab, project):
    """The plan is the very one of the first time, which was applied; its result is gone."""
    for _ in range(2):
        assert int(look(lab, KILL)) > 0
        said = project.svcform("apply", "--auto-approve")
        assert (said.code, "node-1: applied" in said.out + said.err) == (0, True), said
        assert is_served_by(lab, 0)


def test_a_targeted_service_takes_its_answer_with_it_and_no_others(lab, project):
    said = project.svcform("destroy", "--target", "web", "--auto-approve")
    assert said.code == 0, said
    assert is_healthy(lab)

    said = project.svcform("destroy", "--target", "balanced", "--auto-approve")
    assert said.code == 0, said
    assert look(lab, "ls -d /etc/svcform/health; ss -H -lnt | grep 30099") == ""
