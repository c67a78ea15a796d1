"""Many worlds, each served by two CoreDNS: with its kubernetes plugin, and with svcform's zones."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from svcform.inputs.cluster import objects_of, resolve_services
from svcform.inputs.endpoints import resolve_endpoints
from svcform.inputs.names import namespaces_of, pod_addresses
from svcform.inputs.workloads import Placements
from svcform.lab.kernel import Namespace, unshare
from svcform.lang.zone.text import write
from svcform.model.node import Connection, Node
from svcform.model.settings import Settings
from svcform.model.workspace import Workspace
from svcform.model.zone import Zone
from svcform.policy.dns import decide_zones
from tests.conformance.dns_servers import find
from tests.coredns.asking import Question, ask_all
from tests.coredns.worlds import OUTSIDE, POD_CIDRS, SERVERS, SERVICE_CIDRS, Options, World

NODE = "n1"


def workspace_of(world: World) -> Workspace:
    """A project that serves the names of a world on one node."""
    objects = objects_of(world.objects)
    cluster, _ = resolve_services(objects)
    endpoints, _ = resolve_endpoints(cluster.services, {}, objects, Placements())
    node = Node(
        name=NODE,
        connection=Connection(host=SERVERS[0]),
        settings=_settings(world.options),
        plays=(0,),
    )
    return Workspace(
        project_id="",
        root="",
        nodes=(node,),
        play_nodes=(node,),
        services=cluster.services,
        endpoints=endpoints,
        play_services=(tuple(cluster.services),),
        namespaces=namespaces_of(objects),
        pods=pod_addresses(objects),
    )


def zones_of(world: World) -> tuple[Zone, ...]:
    """The zones that svcform makes of a world: as its options say."""
    return decide_zones(workspace_of(world))[NODE].zones


def _settings(options: Options) -> Settings:
    return Settings(
        dns=True,
        dns_listen=SERVERS,
        dns_ttl=options.ttl,
        dns_pods=options.pods,
        dns_endpoint_names=options.endpoint_names,
        dns_endpoint_pod_names=options.endpoint_pod_names,
        dns_ignore_empty_service=options.ignore_empty_service,
        dns_zonal=options.zonal,
        dns_namespaces=options.namespaces or None,
        service_cidrs=SERVICE_CIDRS,
        pod_cidrs=POD_CIDRS,
    )


@contextmanager
def own_network() -> Iterator[None]:
    """Put the calling thread, and what it starts, into a network where the servers' addresses are.

    A thread does not come back from there: it has to end.
    """
    unshare(Namespace.NET)
    for argument in ("link set lo up", *(f"addr add {a} dev lo" for a in SERVERS)):
        subprocess.run(["ip", *argument.split()], check=True)
    yield


@contextmanager
def with_plugin(folder: Path, worlds: Sequence[World], api: str) -> Iterator[range]:
    """CoreDNS with its kubernetes plugin, fed by an API server: ``/0`` for the first world."""
    ports = range(5300, 5300 + len(worlds))
    blocks = []
    for number, port in enumerate(ports):
        origins = [zone.origin for zone in zones_of(worlds[number])]
        inside = "\n  ".join(_stanza(worlds[number].options, f"{api}/{number}"))
        keys = " ".join(f"{origin}:{port}" for origin in origins)
        blocks.append(f"{keys} {{\n kubernetes {' '.join(origins)} {{\n  {inside}\n }}\n}}\n")
    with _running(folder / "plugin", blocks, ports):
        for world, port in zip(worlds, ports, strict=True):
            _await_objects(port, zones_of(world)[0].origin)
        yield ports


@contextmanager
def with_zones(folder: Path, worlds: Sequence[World]) -> Iterator[range]:
    """CoreDNS with svcform's zones, as files."""
    ports = range(5400, 5400 + len(worlds))
    blocks = []
    for number, port in enumerate(ports):
        for zone in zones_of(worlds[number]):
            file = folder / f"{number}-{zone.origin}zone"
            file.write_bytes(write(zone, 7))
            blocks.append(f"{zone.origin}:{port} {{\n file {file}\n}}\n")
    with _running(folder / "zones", blocks, ports):
        yield ports


def _stanza(options: Options, endpoint: str) -> Iterator[str]:
    yield f"endpoint {endpoint}"
    yield f"ttl {options.ttl}"
    yield f"pods {options.pods}"
    if options.endpoint_pod_names:
        yield "endpoint_pod_names"
    if options.ignore_empty_service:
        yield "ignore empty_service"
    if options.zonal:
        yield "zonal"
    if options.namespaces:
        yield f"namespaces {' '.join(options.namespaces)}"


@contextmanager
def _running(folder: Path, blocks: list[str], ports: range) -> Iterator[None]:
    program = find("coredns")
    assert program, "coredns is not here; `make test` builds it"
    folder.mkdir()
    outside = folder / "outside"
    outside.write_text(OUTSIDE)
    blocks += [f"example.com:{port} {{\n file {outside}\n}}\n" for port in ports]
    (folder / "Corefile").write_text("".join(blocks))
    with (folder / "log").open("wb") as log:
        argv = [program, "-conf", str(folder / "Corefile")]
        process = subprocess.Popen(argv, stdout=log, stderr=subprocess.STDOUT)
        try:
            _wait(process, ports[-1], folder / "log")
            yield
        finally:
            process.kill()
            process.wait()


def _await_objects(port: int, origin: str) -> None:
    """The plugin serves without its API server's objects after five seconds (kubernetes 1.15)."""
    deadline = time.monotonic() + 120
    while ask_all([Question(f"nobody.{origin}", "A")], port)[0].rcode == "SERVFAIL":
        assert time.monotonic() < deadline, f"{origin} is not served"
        time.sleep(0.1)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 120
    while True:
        assert process.poll() is None, f"CoreDNS ended: {log.read_text(errors='replace')}"
        assert time.monotonic() < deadline, f"CoreDNS: {log.read_text(errors='replace')}"
        try:
            if ask_all([Question("example.com.", "SOA")], port)[0].answer:
                return
        except OSError:
            time.sleep(0.05)
