"""A project on disk and the svcform command, as a user has them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

SERVICES = """\
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: NodePort
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: http}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: web, image: nginx, ports: [{name: http, containerPort: 8080}]}]
"""


@dataclass(frozen=True)
class Said:
    """What a command left."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Project:
    """A folder with an inventory, a playbook and the tutorial's Service."""

    path: Path

    def write(self, inventory: dict[str, Any], placements: list[str], **settings: Any) -> None:
        """Write all its files; ``settings`` go over the play's own."""
        play = {
            "name": "edge",
            "hosts": "all",
            "vars": {"service_cidrs": ["10.96.0.0/16"], **settings},
            "manifests": ["../services/"],
            "workloads": {"default/web": placements},
        }
        for name, text in (
            ("inventory.yml", yaml.safe_dump(inventory)),
            ("playbooks/site.yml", yaml.safe_dump([play])),
            ("services/web.yml", SERVICES),
        ):
            file = self.path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)

    def svcform(self, *arguments: str, **environment: str) -> Said:
        """Run svcform in the project, without what the machine's own environment says."""
        started = self.start(*arguments, **environment)
        try:
            out, err = started.communicate(timeout=600)
        finally:
            started.kill()
        return Said(started.returncode, out, err)

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """The same, without waiting for its end."""
        kept = {"PATH": os.environ["PATH"], "HOME": str(self.path), "LC_ALL": "C.UTF-8"}
        return subprocess.Popen(
            [sys.executable, "-m", "svcform", *arguments],
            cwd=self.path,
            env={**kept, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
