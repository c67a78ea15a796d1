"""Small projects on disk, for tests that load a whole one."""

from pathlib import Path
from textwrap import dedent

from svcform.diagnostics import Severity
from svcform.inputs.workspace import Loaded, LoadRequest, load

INVENTORY = """
all:
  hosts:
    worker-1: {ansible_host: 192.0.2.11}
    worker-2: {ansible_host: 192.0.2.12}
"""
PLAYBOOK = """
- name: all
  hosts: all
  vars:
    service_cidrs: [10.96.0.0/16]
  manifests: [../services/]
"""

TUTORIAL = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: {app: web}
spec:
  replicas: 3
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
      - name: nginx
        image: nginx:1.27
        ports:
        - {name: http, containerPort: 8080}
---
apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  selector: {app: web}
  ports:
  - port: 80
    targetPort: http
"""


def project(folder: Path, *, inventory=INVENTORY, playbook=PLAYBOOK, **manifests: str) -> Path:
    """Write a project; ``web_yaml="..."`` becomes ``services/web.yaml``."""
    (folder / "playbooks").mkdir(parents=True, exist_ok=True)
    (folder / "services").mkdir(exist_ok=True)
    (folder / "inventory.yml").write_text(inventory)
    (folder / "playbooks" / "site.yml").write_text(playbook)
    for name, text in manifests.items():
        path = folder / "services" / name.replace("_", ".")
        path.write_text(dedent(text).lstrip("\n"))
    return folder


def loaded(folder: Path, **request) -> Loaded:
    return load(LoadRequest(project=folder, **request))


def shown(result: Loaded, *, least: Severity = Severity.WARNING) -> list[str]:
    """The findings as `file:line:column CODE`, notices left out."""
    order = [Severity.NOTICE, Severity.WARNING, Severity.ERROR]
    return [
        f"{Path(d.where.file).name}:{d.where.line}:{d.where.column} {d.code}" if d.where else d.code
        for d in result.diagnostics
        if order.index(d.severity) >= order.index(least)
    ]
