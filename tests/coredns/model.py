"""The names of Services by the Kubernetes DNS specification 1.1.0: a second, independent opinion.

Written from the specification's sections, over Kubernetes' own objects; it knows nothing of
``svcform.policy``.  What the specification leaves open is taken as CoreDNS has it: an endpoint
without a host name is called by its address, and namespaces exist that have no Service.
"""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from tests.coredns.worlds import POD_CIDRS, SERVICE_CIDRS, ZONE, World

_CIDRS = [ipaddress.ip_network(cidr) for cidr in (*SERVICE_CIDRS, *POD_CIDRS)]
#: Endpoints of a Service: address, name below the Service (or empty), port name, protocol, port.
_Place = tuple[str, str, str, str, int]


class Model:
    """What a server answers about a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._records: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        self._pointers: dict[str, set[str]] = defaultdict(set)
        #: Aliases that lead to a name of the zone: where they end is not the specification's.
        self.open: set[str] = set()
        self._records[f"dns-version.{ZONE}"]["TXT"].add('"1.1.0"')  # 2.2
        for service in world.of("Service"):
            self._add(service)
        for address, names in self._pointers.items():
            if any(ipaddress.ip_address(address) in net for net in _networks(address)):
                owner = f"{ipaddress.ip_address(address).reverse_pointer}."
                self._records[owner]["PTR"] |= names
        self._existing = {ZONE, f"svc.{ZONE}", f"pod.{ZONE}", *map(_reverse_zone, _CIDRS)}
        self._existing |= {f"{s['metadata']['name']}.svc.{ZONE}" for s in world.of("Namespace")}
        for name in self._records:
            labels = name.split(".")
            self._existing |= {".".join(labels[n:]) for n in range(len(labels))}

    def answer(self, name: str, kind: str) -> tuple[str, set[str]]:
        """The rcode and the rdatas; those of SRV are port and target."""
        found = self._records.get(name, {})
        if "CNAME" in found:
            return "NOERROR", found["CNAME"]
        if name not in self._existing:
            return "NXDOMAIN", set()
        return "NOERROR", found.get(kind, set())

    def names(self) -> set[str]:
        """All names that have records."""
        return set(self._records)

    def _add(self, service: dict[str, Any]) -> None:
        metadata, spec = service["metadata"], service["spec"]
        name = f"{metadata['name']}.{metadata['namespace']}.svc.{ZONE}"
        if spec["type"] == "ExternalName":
            self._add_external(name, spec["externalName"])
        elif spec["clusterIP"] == "None":
            self._add_headless(name, list(self._ready(service)))
        else:
            self._add_cluster_ip(name, spec)

    def _add_cluster_ip(self, name: str, spec: dict[str, Any]) -> None:
        for address in spec["clusterIPs"]:
            self._address(name, address)  # 2.3.1
            self._pointers[address] = {name}  # 2.3.3
        for port in spec["ports"]:
            if "name" in port:  # 2.3.2
                owner = f"_{port['name']}._{port['protocol'].lower()}.{name}"
                self._records[owner]["SRV"].add(f"{port['port']} {name}")

    def _add_headless(self, name: str, places: list[_Place]) -> None:
        for address, host, port_name, protocol, port in places:
            self._address(name, address)  # 2.4.1
            self._address(f"{host}.{name}", address)
            self._pointers[address].add(f"{host}.{name}")  # 2.4.3
            if port_name:  # 2.4.2
                owner = f"_{port_name}._{protocol.lower()}.{name}"
                self._records[owner]["SRV"].add(f"{port} {host}.{name}")

    def _add_external(self, name: str, target: str) -> None:
        target = target.lower().rstrip(".") + "."
        try:
            ipaddress.ip_address(target.rstrip("."))
        except ValueError:
            self._records[name]["CNAME"].add(target)  # 2.5
            if target == ZONE or target.endswith(f".{ZONE}"):
                self.open.add(name)

    def _address(self, name: str, address: str) -> None:
        self._records[name]["AAAA" if ":" in address else "A"].add(address)

    def _ready(self, service: dict[str, Any]) -> Iterator[_Place]:
        """The ready endpoints, for each of their slice's ports; one without ports counts, too."""
        key = (service["metadata"]["namespace"], service["metadata"]["name"])
        for each in self._world.of("EndpointSlice"):
            metadata = each["metadata"]
            if (metadata["namespace"], metadata["labels"]["kubernetes.io/service-name"]) != key:
                continue
            for endpoint in each["endpoints"]:
                if endpoint["conditions"].get("ready") is False:
                    continue
                address = endpoint["addresses"][0]
                host = endpoint.get("hostname") or _dashed(address)
                for port in each["ports"] or [{"protocol": "TCP", "port": 0}]:
                    yield address, host, port.get("name", ""), port["protocol"], port["port"]


def _dashed(address: str) -> str:
    text = address.replace(":", "-").replace(".", "-")
    return f"{text}0" if text.endswith("-") else text


def _networks(address: str) -> list[Any]:
    version = ipaddress.ip_address(address).version
    return [network for network in _CIDRS if network.version == version]


def _reverse_zone(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> str:
    """The zone of 65,536 addresses, which all of the worlds' CIDRs have."""
    labels = 2 if network.version == 4 else 4
    return f"{network.network_address.reverse_pointer.split('.', labels)[-1]}."
