"""Real name servers on a loopback address, each with the zone files of a case."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import dns.exception
import dns.message
import dns.query

#: Where `.ci/packages test` puts what it builds.
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "svcform"
Files = Sequence[tuple[str, Path]]


def find(command: str) -> str | None:
    """A server's program, also where only root's PATH has it, or the tests' own build."""
    path = f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin:{CACHE}"
    return shutil.which(command, path=path)


def _free_port() -> int:
    """A port that is free for UDP and TCP, below those that the kernel gives to clients.

    Each of xdist's workers has a range of its own: two servers that share a port with SO_REUSEPORT
    would not even fail.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = 10000 + 5000 * (worker % 4)
    while True:
        port = random.randrange(first, first + 5000)
        try:
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                with socket.socket(socket.AF_INET, kind) as found:
                    found.bind(("127.0.0.1", port))
        except OSError:
            continue
        return port


def _coredns(folder: Path, files: Files, port: int) -> list[str]:
    blocks = "".join(
        f"{origin}:{port} {{\n bind 127.0.0.1\n file {path} {{\n reload 200ms\n }}\n}}\n"
        for origin, path in files
    )
    (folder / "Corefile").write_text(blocks)
    return ["-conf", str(folder / "Corefile"), "-quiet"]


def _nsd(folder: Path, files: Files, port: int) -> list[str]:
    zones = "".join(f"zone:\n name: {origin}\n zonefile: {path}\n" for origin, path in files)
    (folder / "nsd.conf").write_text(
        f'server:\n ip-address: 127.0.0.1\n port: {port}\n username: ""\n database: ""\n'
        f' zonesdir: "{folder}"\n pidfile: "{folder}/pid"\n xfrdfile: "{folder}/xfrd"\n'
        f' zonelistfile: "{folder}/list"\n xfrdir: "{folder}"\n server-count: 1\n'
        f" rrl-ratelimit: 0\nremote-control:\n control-enable: no\n{zones}"
    )
    return ["-d", "-c", str(folder / "nsd.conf")]


def _knot(folder: Path, files: Files, port: int) -> list[str]:
    zones = "".join(
        f" - domain: {origin}\n   file: {path}\n   semantic-checks: off\n" for origin, path in files
    )
    (folder / "knot.conf").write_text(
        f"server:\n  rundir: {folder}\n  listen: 127.0.0.1@{port}\n  udp-workers: 1\n"
        f"  tcp-workers: 1\n  background-workers: 1\n"
        f"database:\n  storage: {folder}\ntemplate:\n - id: default\n   zonefile-load: whole\n"
        f"   journal-content: none\n   zonefile-sync: -1\nzone:\n{zones}"
    )
    return ["-c", str(folder / "knot.conf")]


def _bind(folder: Path, files: Files, port: int) -> list[str]:
    zones = "".join(
        f'zone "{origin}" {{ type primary; file "{path}"; check-names ignore; }};\n'
        for origin, path in files
    )
    (folder / "named.conf").write_text(
        f'options {{ directory "{folder}"; listen-on port {port} {{ 127.0.0.1; }};\n'
        f' listen-on-v6 {{ none; }}; recursion no; pid-file "{folder}/pid"; notify no;\n'
        f' session-keyfile "{folder}/key"; empty-zones-enable no; minimal-responses no; }};\n'
        f"controls {{ }};\n{zones}"
    )
    return ["-g", "-n", "1", "-c", str(folder / "named.conf")]


SERVERS: dict[str, tuple[str, Callable[[Path, Files, int], list[str]]]] = {
    "CoreDNS": ("coredns", _coredns),
    "NSD": ("nsd", _nsd),
    "Knot": ("knotd", _knot),
    "BIND": ("named", _bind),
}


class Server:
    """A server that runs: ``ask`` it."""

    def __init__(self, port: int) -> None:
        self.port = port

    def ask(self, name: str, kind: str, *, timeout: float = 5.0) -> dns.message.Message:
        """Its answer over UDP."""
        query = dns.message.make_query(name, kind, use_edns=0, payload=4096)
        query.flags = 0
        return dns.query.udp(query, "127.0.0.1", timeout=timeout, port=self.port)


@contextmanager
def serving(server: str, folder: Path, files: Files) -> Iterator[Server]:
    """A server with these zones (origin and file), until the block ends."""
    command, configure = SERVERS[server]
    program = find(command)
    assert program, f"{command} is not here; `make test` installs it"
    port = _free_port()
    arguments = configure(folder, files, port)
    log = (folder / "log").open("wb")
    process = subprocess.Popen([program, *arguments], stdout=log, stderr=subprocess.STDOUT)
    try:
        _wait(process, Server(port), [origin for origin, _ in files], folder / "log")
        yield Server(port)
    finally:
        process.terminate()
        process.wait(60)
        log.close()


def _wait(process: subprocess.Popen[bytes], server: Server, zones: list[str], log: Path) -> None:
    deadline = time.monotonic() + 60
    waiting = list(zones)
    while waiting:
        assert process.poll() is None, f"the server ended: {log.read_text(errors='replace')}"
        assert time.monotonic() < deadline, f"{waiting}: {log.read_text(errors='replace')}"
        try:
            if server.ask(waiting[0], "SOA", timeout=0.3).answer:
                waiting.pop(0)
                continue
        except (OSError, dns.exception.DNSException):
            pass
        time.sleep(0.03)
