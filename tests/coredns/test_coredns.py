"""The user's own CoreDNS on nodes over SSH: served, proven, put back, taken away."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
import time

import pytest
import yaml

from svcform.lab import lab as labs
from svcform.lab.spec import EndpointSpec, LabSpec, NodeSpec
from tests.conformance.dns_servers import find
from tests.fleet.projects import Project

pytestmark = pytest.mark.root

MANIFEST = """\
apiVersion: v1
kind: Service
metadata: {name: myapp-headless}
spec: {clusterIP: None, selector: {app: myapp}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: myapp-svc}
spec: {selector: {app: myapp}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: my-service-1}
spec: {type: ExternalName, externalName: www.example.com}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: myapp-deploy}
spec:
  replicas: 3
  selector: {matchLabels: {app: myapp}}
  template:
    metadata: {labels: {app: myapp}}
    spec: {containers: [{name: web, image: nginx, ports: [{containerPort: 8080}]}]}
"""
MORE = """\
---
apiVersion: v1
kind: Service
metadata: {{name: more}}
spec: {{clusterIP: {address}, selector: {{app: myapp}}, ports: [{{port: 80, targetPort: 8080}}]}}
"""
HEADLESS = "myapp-headless.default.svc.cluster.local."
CLUSTER_IP = "myapp-svc.default.svc.cluster.local."
ALIAS = "my-service-1.default.svc.cluster.local."


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    program = find("coredns")
    assert program, "coredns is not here; `make test` builds it"
    packages = tmp_path_factory.mktemp("packages")
    (packages / "usr/bin").mkdir(parents=True)
    shutil.copy2(program, packages / "usr/bin/coredns")
    directory = tmp_path_factory.mktemp("dns") / "lab"
    yield labs.up(
        LabSpec(
            directory=directory,
            nodes=tuple(NodeSpec(name=f"n{i}", packages=str(packages)) for i in (1, 2)),
            endpoints=tuple(EndpointSpec(name=f"e{i}", node="n1") for i in range(3)),
        )
    )
    labs.down(directory)


class Site:
    """A project whose nodes serve DNS."""

    def __init__(self, lab, path):
        self.lab, self.project = lab, Project(path)
        (path / "known_hosts").write_bytes((lab.directory / "known_hosts").read_bytes())
        self.write()

    def write(self, more="", **settings):
        inventory = yaml.safe_load(self.lab.inventory().read_text())
        self.project.write(inventory, [], dns=True, **settings)
        site = self.project.path / "playbooks/site.yml"
        play = yaml.safe_load(site.read_text())
        places = [f"{self.lab.addresses(f'e{i}')[0]}@n1" for i in range(3)]
        play[0]["workloads"] = {"default/myapp-deploy": places}
        site.write_text(yaml.safe_dump(play))
        (self.project.path / "services/web.yml").write_text(MANIFEST + more)

    def apply(self, *arguments):
        return self.project.svcform("apply", "--auto-approve", *arguments)

    def dig(self, *arguments, node="n1"):
        server = self.lab.addresses(node)[0]
        argv = ["dig", f"@{server}", "+tries=1", "+time=2", *arguments]
        return self.lab.run("client", argv).stdout.decode()

    def zones(self, node="n1"):
        script = "cat /etc/svcform/coredns/*.zone 2>/dev/null"
        return self.lab.run(node, ["sh", "-c", script]).stdout.decode()

    def serial(self, node="n1"):
        return int(self.dig("+short", "SOA", "cluster.local.", node=node).split()[2])


@pytest.fixture
def site(lab, tmp_path):
    made = Site(lab, tmp_path)
    done = made.apply("--take-over")
    assert done.code == 0, done.out + done.err
    return made


def test_the_tutorials_three_names(site):
    endpoints = {site.lab.addresses(f"e{i}")[0] for i in range(3)}
    assert set(site.dig("+short", "-t", "A", HEADLESS).split()) == endpoints
    assert re.fullmatch(r"10\.96\.\d+\.\d+\n", site.dig("+short", "-t", "A", CLUSTER_IP))
    assert site.dig("+short", "-t", "CNAME", ALIAS) == "www.example.com.\n"
    assert "status: REFUSED" in site.dig("www.example.com.")


def test_a_plan_shows_records_and_a_second_one_is_empty(site):
    before = site.zones()
    assert site.project.svcform("plan", "--detailed-exitcode").code == 0
    site.write(MORE.format(address="10.96.0.99"))

    planned = site.project.svcform("plan")

    assert "  + more.default.svc.cluster.local. A 10.96.0.99\n" in planned.out
    assert site.apply().code == 0
    assert site.project.svcform("plan", "--detailed-exitcode").code == 0
    kept = [zone for zone in _by_zone(before) if "244.10.in-addr" in zone]
    assert kept
    assert all(zone in _by_zone(site.zones()) for zone in kept)


def _without_serials(text):
    return re.sub(r"(?<= )[0-9]+(?= 7200 )", "SERIAL", text)


def _by_zone(text):
    return set(text.split("; svcform wrote")[1:])


def test_every_answer_is_the_old_or_the_new_one_while_zones_change(site):
    seen, over = [], threading.Event()

    def ask():
        while not over.is_set():
            seen.append(site.dig("more.default.svc.cluster.local."))
            time.sleep(0.02)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for more in (MORE.format(address="10.96.0.99"), "", MORE.format(address="10.96.0.98")):
            before = site.serial()
            site.write(more)
            assert site.apply("--allow-renumber").code == 0
            assert site.serial() > before
            assert site.serial("n1") == site.serial("n2")
    finally:
        over.set()
        asking.join()
    states = {re.search(r"status: (\w+)", text)[1] if "status:" in text else text for text in seen}
    assert states <= {"NOERROR", "NXDOMAIN"}
    assert {found for text in seen for found in re.findall(r"\tA\t(.*)", text)} <= {
        "10.96.0.99",
        "10.96.0.98",
    }
    assert len(seen) > 10


@pytest.mark.parametrize(
    "setting",
    [
        {"coredns_binary": "/bin/false"},
        {"dns_forward": ["127.0.0.1:1"], "dns_listen": ["192.0.2.77"]},
    ],
)
def test_a_coredns_that_does_not_start_is_rolled_back_and_the_old_answers_stay(site, setting):
    zones = site.zones()
    site.write(**setting)

    done = site.apply()

    assert done.code == 5, done.out + done.err
    assert re.search("CoreDNS does not (start|serve)", done.out + done.err)
    assert site.dig("+short", CLUSTER_IP)
    assert _without_serials(site.zones()) == _without_serials(zones)
    site.write()
    assert site.project.svcform("plan", "--detailed-exitcode").code == 0


def test_a_zone_that_was_broken_by_hand_is_put_right(site):
    path = "/etc/svcform/coredns/cluster.local.zone"
    script = f"sed 's/ IN A / IN AAAAA /' {path} >{path}.x && mv {path}.x {path}"
    site.lab.run("n2", ["sh", "-c", script])

    assert "myapp-headless.default.svc.cluster.local. AAAAA" in site.project.svcform("plan").out

    before = site.serial("n2")
    assert site.apply("--allow-deletions").code == 0
    assert len(site.dig("+short", HEADLESS, node="n2").split()) == 3
    assert site.serial("n2") > before


def test_where_the_disk_is_full_the_old_answers_stay(site):
    fill = (
        "cd /etc/svcform && cp -a coredns copy && "
        "mount -t tmpfs -o size=$(($(ls copy | wc -l) * 4))k none coredns && "
        "cp -a copy/. coredns/ && rm -r copy"
    )
    assert site.lab.run("n2", ["sh", "-c", fill]).returncode == 0
    try:
        site.write(MORE.format(address="10.96.0.99"))
        done = site.apply()
        assert done.code == 8, done.out + done.err
        assert "zone can't be written" in done.out
        assert site.dig("+short", CLUSTER_IP, node="n2")
        assert "NXDOMAIN" in site.dig("more.default.svc.cluster.local.", node="n2")
    finally:
        site.lab.run("n2", ["umount", "/etc/svcform/coredns"])


def test_who_has_port_53_is_named_before_anything_is_done(site):
    assert site.project.svcform("destroy", "--auto-approve", "--allow-deletions").code == 0
    program = "import socket,time;s=socket.socket(2,2);s.bind(('0.0.0.0',53));time.sleep(60)"
    holder = site.lab.command("n1", ["python3", "-c", program])
    process = subprocess.Popen(holder)
    try:
        time.sleep(1)
        planned = site.project.svcform("plan")
        assert "python3" in planned.out + planned.err
        assert "port 53" in planned.out + planned.err
    finally:
        site.lab.run("n1", ["pkill", "-f", "bind..'0.0.0.0',53"])
        process.kill()
        process.wait()


def test_destroy_leaves_nothing(site):
    assert site.project.svcform("destroy", "--auto-approve", "--allow-deletions").code == 0

    left = site.lab.run("n1", ["sh", "-c", "ls /etc/svcform /etc/init.d | grep -E 'coredns|zone'"])
    assert left.stdout == b""
    assert site.lab.run("n1", ["pgrep", "coredns"]).stdout == b""
