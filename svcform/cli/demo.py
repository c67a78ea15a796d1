"""``svcform lab demo``: what svcform does, shown with the real thing in two minutes at most."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
from argparse import Namespace
from pathlib import Path
from types import FrameType

from svcform.cli.console import Console, console
from svcform.errors import LabError
from svcform.lab import lab

_INVENTORY = ("-i", ".lab/inventory.yml")
_MODULE = (sys.executable, "-m", "svcform")


class _Demo:
    """A project and a lab in a folder that goes away."""

    def __init__(self, folder: Path, out: Console) -> None:
        self._folder = folder
        self._out = out

    def chapter(self, text: str) -> None:
        """Say what comes next."""
        self._out.result(f"\n{self._out.out.paint(f'# {text}', 'cyan', 'bold')}\n")

    def show(self, *words: str, expect: int = 0) -> str:
        """Print a command, run it, print what it prints; LabError if it leaves otherwise."""
        self._out.result(f"{self._out.out.paint('$', 'bold')} svcform {shlex.join(words)}\n")
        done = self._run(words)
        self._out.result(done.stdout)
        if done.returncode != expect:
            raise LabError(
                f"The demo's `svcform {shlex.join(words)}` left with {done.returncode} "
                f"instead of {expect}.\n{done.stderr}"
            )
        return done.stdout

    def _run(self, words: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        environment.pop("CI", None)  # the demo allocates: nobody has committed a lock file for it
        environment.setdefault("NO_COLOR" if not self._out.out.colour else "FORCE_COLOR", "1")
        return subprocess.run(
            [*_MODULE, *words],
            cwd=self._folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def ask(self, source: str, frontend: str, endpoints: int) -> None:
        """Send requests; LabError unless so many endpoints answer."""
        answers = self.show("lab", "ask", "--from", source, frontend)
        if len(answers.splitlines()) != endpoints:
            raise LabError(f"Not all of the {endpoints} endpoints answered.")

    def frontends(self) -> tuple[str, str]:
        """The ClusterIP and the NodePort of the demo's Service, as ADDRESS:PORT."""
        words = ("get", *_INVENTORY, "-o", "json")
        service = json.loads(self._run(words).stdout)["services"][0]
        ports = re.match(r"(\d+):(\d+)", service["ports"][0])
        node = lab.status(self._folder / ".lab")
        if ports is None or node is None:
            raise LabError("The demo's Service has no NodePort.")
        address = node.addresses("node-1")[0]
        return f"{service['cluster_ips'][0]}:{ports[1]}", f"{address}:{ports[2]}"

    def drop_one_endpoint(self) -> None:
        """Take the last replica away, as an editor would."""
        for name, old, new in (
            ("playbooks/site.yml", ", 10.244.1.7@node-1", ""),
            ("services/myapp-deployment.yml", "replicas: 3", "replicas: 2"),
        ):
            path = self._folder / name
            path.write_text(path.read_text().replace(old, new))


def run(arguments: Namespace) -> int:
    """Show it all; leaves nothing behind, also when it fails or is interrupted."""
    out = console(arguments)
    previous = signal.signal(signal.SIGTERM, _leave)
    with tempfile.TemporaryDirectory(prefix="svcform-demo-") as name:
        folder = Path(name)
        try:
            _tell(_Demo(folder, out))
        finally:
            lab.down(folder / ".lab")
            signal.signal(signal.SIGTERM, previous)
    return 0


def _leave(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise KeyboardInterrupt


def _tell(demo: _Demo) -> None:
    demo.chapter("A project: an inventory, a playbook, and the tutorial's Service and Deployment")
    demo.show("init", "--port", "8080")
    demo.chapter("A node of its own on this machine, with three endpoints behind it; no SSH")
    demo.show("lab", "up", "--embedded", "--endpoints", "3")
    demo.chapter("What would change there?")
    demo.show("plan", *_INVENTORY)
    demo.chapter("Make exactly that happen")
    demo.show("apply", *_INVENTORY, "--auto-approve")
    cluster_ip, node_port = demo.frontends()
    demo.chapter("Ask the ClusterIP from a pod, and the NodePort from outside")
    demo.ask("endpoint-1", cluster_ip, 3)
    demo.ask("client", node_port, 3)
    demo.chapter("A second plan is empty")
    demo.show("plan", *_INVENTORY, "--detailed-exitcode")
    demo.drop_one_endpoint()
    demo.chapter("One endpoint less is a plan of a few lines; with the rules behind it")
    demo.show("plan", *_INVENTORY, "--rules", "--detailed-exitcode", expect=2)
    demo.show("apply", *_INVENTORY, "--auto-approve")
    demo.ask("client", node_port, 2)
    demo.chapter("Take everything away again")
    demo.show("destroy", *_INVENTORY, "--auto-approve")
    demo.show("get", *_INVENTORY)
    demo.show("lab", "exec", "node-1", "iptables-save")
    demo.show("lab", "down")
    demo.chapter("That was all of it. Next: docs/first-hour.md")
