"""Random clusters as Kubernetes' own objects, all from one ``random.Random``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

Object = dict[str, Any]
ZONE = "cluster.local."
SERVICE_CIDRS = ("10.96.0.0/16", "fd00:96::/112")
POD_CIDRS = ("10.244.0.0/16", "fd00:244::/112")
#: Where the name servers themselves are: in a network of the test's own.
SERVERS = ("192.0.2.53", "2001:db8::53")
#: What is outside: ``v4`` has no IPv6 address, ``gone`` does not exist.
OUTSIDE = """\
example.com. 5 IN SOA a.example.com. b.example.com. 1 1 1 1 5
example.com. 5 IN NS a.example.com.
a.example.com. 5 IN A 198.51.100.1
www.example.com. 5 IN A 198.51.100.2
www.example.com. 5 IN AAAA 2001:db8:100::2
v4.example.com. 5 IN A 198.51.100.3
alias.example.com. 5 IN CNAME www.example.com.
"""
_NAMESPACES = ("shop", "kube-system", "default")
_NAMES = ("web", "db", "cart", "a", "dns", "x-1", "www", "any")
_PORTS = (("http", "TCP", 80), ("dns", "UDP", 53), ("dns-tcp", "TCP", 53), ("m3", "SCTP", 99))
_KINDS = ("ClusterIP", "LoadBalancer", "None", "None", "None", "ExternalName", "ExternalName")
_TARGETS = (
    *("www.example.com", "v4.example.com.", "gone.example.com", "alias.example.com"),
    *("WWW.Example.com", "gone.example.com.", "www.elsewhere.test"),
    *("192.0.2.7", "2001:db8::7", "cluster.local", "svc.cluster.local"),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What both are told: the names are those of the kubernetes plugin's own options.

    ``endpoint_names`` is svcform's: which Services' endpoints have names.
    """

    ttl: int
    pods: str
    endpoint_pod_names: bool
    ignore_empty_service: bool
    zonal: bool
    namespaces: tuple[str, ...]
    endpoint_names: str = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Objects of a cluster, and how its names are served."""

    objects: tuple[Object, ...]
    options: Options

    def of(self, kind: str) -> list[Object]:
        """The objects of a kind."""
        return [each for each in self.objects if each["kind"] == kind]


def random_world(random: Random) -> World:
    """Some Services of every type with their slices, the namespaces (one is empty) and pods."""
    keys = [(space, name) for space in _NAMESPACES for name in _NAMES if random.random() < 0.4]
    services = [_service(random, keys, number) for number in range(len(keys))]
    slices = [made for service in services for made in _slices(random, service)]
    pods = [_pod(space, number) for number, space in enumerate(_NAMESPACES, start=1)]
    pods += [_pod("shop", 40, host=1), _pod("default", 1)]
    spaces = [_meta("v1", "Namespace", name) for name in (*_NAMESPACES, "empty")]
    options = Options(
        ttl=random.choice((5, 30, 3600)),
        pods=random.choice(("disabled", "verified")),
        endpoint_pod_names=random.random() < 0.4,
        ignore_empty_service=random.random() < 0.3,
        zonal=random.random() < 0.4,
        namespaces=random.choice(((), (), ("shop", "empty"), ("shop", "default"))),
    )
    return World(objects=(*services, *slices, *spaces, *pods), options=options)


def changed(random: Random, world: World) -> World:
    """The world a little later: some Services come, go or change with their slices."""
    other = random_world(random)
    chosen = {_key(each) for each in (*world.of("Service"), *other.of("Service"))}
    chosen = set(random.sample(sorted(chosen), min(2, len(chosen))))
    kept = [each for each in world.objects if _key(each) not in chosen]
    come = [each for each in other.objects if _key(each) in chosen]
    return World(objects=(*kept, *come), options=world.options)


def _key(item: Mapping[str, Any]) -> tuple[str, str]:
    """The Service that an object is of, as far as it is of one."""
    if item["kind"] not in {"Service", "EndpointSlice"}:
        return "", ""
    labels = item["metadata"].get("labels") or {}
    name = labels.get("kubernetes.io/service-name", item["metadata"]["name"])
    return item["metadata"]["namespace"], name


def _meta(version: str, kind: str, name: str, namespace: str = "") -> Object:
    metadata: Object = {"name": name, "resourceVersion": "3"}
    if namespace:
        metadata["namespace"] = namespace
    return {"apiVersion": version, "kind": kind, "metadata": metadata}


def _service(random: Random, keys: list[tuple[str, str]], number: int) -> Object:
    namespace, name = keys[number]
    kind = random.choice(_KINDS)
    made = _meta("v1", "Service", name, namespace)
    if kind == "ExternalName":
        space, other = random.choice((*keys, ("shop", "gone")))
        target = random.choice((f"{other}.{space}.svc.{ZONE}", random.choice(_TARGETS)))
        made["spec"] = {"type": kind, "externalName": target}
        if random.random() < 0.5:
            made["spec"]["ports"] = _ports(random)
        return made
    families = random.choice((["IPv4"], ["IPv6"], ["IPv4", "IPv6"], ["IPv6", "IPv4"]))
    ips = [f"10.96.0.{number + 1}" if f == "IPv4" else f"fd00:96::{number + 1:x}" for f in families]
    if kind == "None":
        kind, ips = "ClusterIP", ["None"]
    made["spec"] = {"type": kind, "clusterIP": ips[0], "clusterIPs": ips, "ipFamilies": families}
    if ips != ["None"] or random.random() < 0.85:
        made["spec"]["ports"] = _ports(random)
    return made


def _ports(random: Random) -> list[Object]:
    chosen = random.sample(_PORTS, random.choice((1, 1, 2, 3)))
    ports = [{"name": n, "protocol": p, "port": number} for n, p, number in chosen]
    if len(ports) == 1 and random.random() < 0.3:
        del ports[0]["name"]
    return ports


def _slices(random: Random, service: Object) -> Iterator[Object]:
    spec, metadata = service["spec"], service["metadata"]
    if spec["type"] == "ExternalName":
        return
    ports = spec.get("ports") or []
    for family in spec["ipFamilies"]:
        free = random.sample([*range(1, 16), 39], 8)
        for part in range(random.choice((0, 1, 1, 2, 2))):
            made = _meta(
                "discovery.k8s.io/v1",
                "EndpointSlice",
                f"{metadata['name']}-{family.lower()}-{part}",
                metadata["namespace"],
            )
            made["metadata"]["labels"] = {"kubernetes.io/service-name": metadata["name"]}
            made["addressType"] = family
            shown = ports if part == 0 else random.sample(ports, min(1, len(ports)))
            made["ports"] = [{**port, "port": port["port"] + 8000 + part} for port in shown]
            count = random.choice((0, 1, 2, 4))
            made["endpoints"] = [_endpoint(random, family, free.pop()) for _ in range(count)]
            yield made


def _endpoint(random: Random, family: str, number: int) -> Object:
    made: Object = {"addresses": [_pod_address(family, number)]}
    ready = random.choice((True, True, True, None, False))
    made["conditions"] = {} if ready is None else {"ready": ready}
    if random.random() < 0.5:
        made["hostname"] = random.choice(("db-0", "db-1", f"h{number}"))
    if random.random() < 0.5:
        name = random.choice((f"web-{number}", f"web-{number}-{'x' * 60}"))
        made["targetRef"] = {"kind": "Pod", "name": name}
    if random.random() < 0.6:
        made["zone"] = random.choice(("eu-1a", "EU-1B"))
    return made


def _pod_address(family: str, number: int) -> str:
    if family == "IPv4":
        return SERVERS[0] if number == 39 else f"10.244.0.{number}"
    return "fd00:244::" if number == 1 else f"fd00:244::{number:x}"


def _pod(namespace: str, number: int, host: int = 0) -> Object:
    made = _meta("v1", "Pod", f"pod-{number}-{host}", namespace)
    made["spec"] = {"containers": [{"name": "web", "image": "nginx"}]}
    addresses = [_pod_address(family, number) for family in ("IPv4", "IPv6")]
    made["status"] = {
        "phase": "Running",
        "podIP": addresses[0],
        "podIPs": [{"ip": address} for address in addresses],
    }
    return made
