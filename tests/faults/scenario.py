"""The project whose apply is disturbed: a change that has every kind of step in it."""

from __future__ import annotations

import importlib
import io
import json
import multiprocessing
import os
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from svcform.lab.lab import Lab

#: Seconds: for the steps, for the confirmation, for a connection; and where a timer is waited for.
PATIENT = ("--run-timeout", "120", "--confirm-timeout", "60", "--timeout", "30")
TIMERS = ("--run-timeout", "60", "--confirm-timeout", "6", "--timeout", "10")
_TIMEOUT = 240.0

_SERVICE = """\
---
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec: {{clusterIP: "{ip}", type: {kind}, ports: [{{port: 80, protocol: {protocol}}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}-1, labels: {{kubernetes.io/service-name: {name}}}}}
addressType: IPv{version}
ports: [{{port: 8080, protocol: {protocol}}}]
endpoints: [{{addresses: ["{endpoint}"]}}]
"""


def _service(
    name: str, ip: str, endpoint: str, *, protocol: str = "TCP", kind: str = "ClusterIP"
) -> str:
    return _SERVICE.format(
        name=name,
        ip=ip,
        endpoint=endpoint,
        protocol=protocol,
        kind=kind,
        version=6 if ":" in ip else 4,
    )


#: Stays, goes (with the IPv6 settings of the host), and moves to another endpoint.
OLD = (
    _service("stays", "10.96.0.10", "10.1.0.1")
    + _service("goes", "fd00:96::11", "fd00:1::1")
    + _service("dns", "10.96.0.12", "10.1.0.3", protocol="UDP")
)
#: What comes needs a setting of the host (route_localnet).
NEW = (
    _service("stays", "10.96.0.10", "10.1.0.1")
    + _service("dns", "10.96.0.12", "10.1.0.4", protocol="UDP")
    + _service("comes", "10.96.0.13", "10.1.0.5", kind="NodePort")
)


@dataclass(frozen=True, slots=True)
class Said:
    """What a command left."""

    code: int
    out: str
    err: str


class Controller:
    """svcform as a process of its own, forked from a server that has imported it already."""

    def __init__(self, context: Any, folder: Path, words: tuple[str, ...]) -> None:
        self._out = folder / f".said-{time.monotonic_ns()}"
        self._out.mkdir()
        self.process = context.Process(
            target=_be_svcform, args=(str(folder), words, str(self._out)), daemon=True
        )
        self.process.start()

    @property
    def ended(self) -> bool:
        return self.process.exitcode is not None

    def wait(self, seconds: float = _TIMEOUT) -> Said:
        self.process.join(seconds)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
        out, err = ((self._out / name).read_text() for name in ("out", "err"))
        code = self._out / "code"
        return Said(int(code.read_text()) if code.exists() else -signal.SIGKILL, out, err)


def _be_svcform(folder: str, words: tuple[str, ...], said: str) -> None:
    os.chdir(folder)
    for number, name in ((1, "out"), (2, "err")):
        opened = os.open(f"{said}/{name}", os.O_WRONLY | os.O_CREAT)
        os.dup2(opened, number)
    for key in ("CI", "SVCFORM_STATE"):
        os.environ.pop(key, None)
    sys.stdin = io.StringIO()
    # The server's streams were made before these files were.
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", closefd=False)
    # Where the server has imported it, and not this process.
    main = importlib.import_module("svcform.cli.main").main

    code = 1
    try:
        code = main(list(words))
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # multiprocessing says 255 where two threads look at one process at once, and to start one
        # is to look at all.
        Path(said, "code").write_text(str(code))
    os._exit(code)


class Project:
    """One project over all of a lab's nodes, a play for each, so that none waits for another's."""

    def __init__(self, lab: Lab, folder: Path, proxy_mode: str) -> None:
        self.folder, self.proxy_mode = folder, proxy_mode
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["tests.faults.preload"])
        self.nodes = tuple(lab.state["nodes"])
        for sub in ("playbooks", "services"):
            (folder / sub).mkdir(parents=True, exist_ok=True)
        inventory = yaml.safe_load(lab.inventory().read_text())
        (folder / "inventory.yml").write_text(yaml.safe_dump(inventory))
        (folder / "known_hosts").write_bytes((lab.directory / "known_hosts").read_bytes())

    def describe(self, services: str, **settings: Any) -> None:
        """What all nodes should do."""
        cidrs = ["10.96.0.0/16", "fd00:96::/112"]
        common = {"service_cidrs": cidrs, "proxy_mode": self.proxy_mode, **settings}
        plays = [
            {"name": node, "hosts": node, "vars": common, "manifests": ["../services/"]}
            for node in self.nodes
        ]
        (self.folder / "playbooks/site.yml").write_text(yaml.safe_dump(plays))
        (self.folder / "services/all.yml").write_text(services)

    def svcform(self, *words: str) -> Said:
        return self.start(*words).wait()

    def start(self, *words: str) -> Controller:
        return Controller(self._context, self.folder, words)

    def prepare(self) -> dict[str, Any]:
        """Bring all nodes into the old state; the plan to the new one, of each node."""
        self.describe(OLD)
        first = self.svcform("apply", "--auto-approve", *PATIENT)
        assert first.code == 0, first.err
        self.describe(NEW, localhost_node_ports=True)
        planned = self.svcform("plan", "--allow-deletions", "--out", "change.plan", "-o", "json")
        assert planned.code == 0, planned.err
        return {node["name"]: node for node in json.loads(planned.out)["nodes"]}

    def plan(self, node: str) -> dict[str, Any] | str:
        """What a plan says about one node now; in words where there is none."""
        said = self.svcform("plan", "--limit", node, "--allow-deletions", "-o", "json")
        with suppress(ValueError, KeyError):
            (found,) = json.loads(said.out)["nodes"]
            return dict(found) if said.code == 0 else f"exit code {said.code}: {found} {said.err}"
        return f"exit code {said.code}: {said.out}{said.err}"

    def apply(self, node: str, timers: tuple[str, ...] = PATIENT) -> Controller:
        return self.start("apply", "change.plan", "--limit", node, *timers)
