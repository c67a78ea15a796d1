"""A project whose nodes serve DNS, and the lab that all its tests share."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from svcform.lab.lab import Lab
from tests.fleet.projects import Project, Said

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
NODES = ("n1", "n2")
ENDPOINTS = ("e0", "e1", "e2")


class Site:
    """The project; every test finds it as it wants it, whatever the one before left."""

    def __init__(self, lab: Lab, path: Path) -> None:
        self.lab, self.project = lab, Project(path)
        path.mkdir(exist_ok=True)
        (path / "known_hosts").write_bytes((lab.directory / "known_hosts").read_bytes())
        self.write()

    def write(self, more: str = "", **settings: object) -> None:
        """The tutorial's Services, and more."""
        inventory = yaml.safe_load(self.lab.inventory().read_text())
        self.project.write(inventory, [], **{"dns": True, **settings})
        site = self.project.path / "playbooks/site.yml"
        play = yaml.safe_load(site.read_text())
        places = [f"{self.lab.addresses(name)[0]}@n1" for name in ENDPOINTS]
        play[0]["workloads"] = {"default/myapp-deploy": places}
        site.write_text(yaml.safe_dump(play))
        (self.project.path / "services/web.yml").write_text(MANIFEST + more)

    def apply(self, *arguments: str) -> Said:
        return self.project.svcform("apply", "--auto-approve", *arguments)

    def applied(self, *arguments: str) -> Said:
        """Apply, which has to succeed."""
        done = self.apply(*arguments)
        assert done.code == 0, done.out + done.err
        return done

    def destroy(self) -> None:
        done = self.project.svcform("destroy", "--auto-approve", "--allow-deletions")
        assert done.code == 0, done.out + done.err

    def plan(self) -> str:
        """What a plan says, on both streams."""
        done = self.project.svcform("plan")
        return done.out + done.err

    def pending(self) -> str:
        """What a plan would still change; empty for nothing."""
        done = self.project.svcform("plan", "--detailed-exitcode")
        return "" if done.code == 0 else done.out + done.err

    def on(self, node: str, script: str) -> str:
        """What a script on a node prints, on both streams."""
        done = self.lab.run(node, ["sh", "-c", script])
        return done.stdout.decode() + done.stderr.decode()

    def dig(self, *arguments: str, node: str = "n1", place: str = "client") -> str:
        server = self.lab.addresses(node)[0]
        argv = ["dig", f"@{server}", "+tries=1", "+time=2", *arguments]
        return self.lab.run(place, argv).stdout.decode()

    def zones(self, node: str = "n1") -> str:
        return self.on(node, "cat /etc/svcform/coredns/*.zone 2>/dev/null")

    def serial(self, node: str = "n1") -> int:
        return int(self.dig("+short", "SOA", "cluster.local.", node=node).split()[2])


def without_serials(text: str) -> str:
    """Zone text without what differs after a rollback."""
    return re.sub(r"(?<= )[0-9]+(?= 7200 )", "SERIAL", text)
