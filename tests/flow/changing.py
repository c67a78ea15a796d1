"""Services that stay as they are, and others beside them that change all the time, as manifests."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

FAMILIES = ("IPv4", "IPv6")
SETTINGS: Mapping[str, Any] = {
    "service_cidrs": ["10.96.0.0/16", "fd00:96::/112"],
    "load_balancer_pools": {"default": ["198.51.100.0/24", "2001:db8:100::/120"]},
}
#: Where the steady Services are; the changing ones come and go right beside them.
_VIPS = ("10.96.7.{}", "fd00:96::7{:02x}")
_SPARE = 40
_PORT = 8080

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """Endpoints: a name, the node that they are on, and their addresses, IPv4 first."""

    node: str
    addresses: Sequence[str]


def service(name: str, spec: Mapping[str, Any], number: int | None = None) -> Manifest:
    """A dual-stack Service with one port a protocol; its clusterIPs by number, or allocated."""
    addresses = {} if number is None else {"clusterIPs": [vip.format(number) for vip in _VIPS]}
    ports = [
        {"name": p.lower(), "port": 80, "protocol": p, "targetPort": _PORT} for p in ("TCP", "UDP")
    ]
    usual = {"ipFamilyPolicy": "RequireDualStack", "ipFamilies": [*FAMILIES], "ports": ports}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {**usual, **addresses, **spec},
    }


def slices(name: str, behind: Sequence[Behind]) -> list[Manifest]:
    """The endpoints of a Service."""
    return [
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": f"{name}-{family.lower()}",
                "labels": {"kubernetes.io/service-name": name},
            },
            "addressType": family,
            "ports": [{"name": p.lower(), "port": _PORT, "protocol": p} for p in ("TCP", "UDP")],
            "endpoints": [
                {"addresses": [each.addresses[n]], "nodeName": each.node} for each in behind
            ],
        }
        for n, family in enumerate(FAMILIES)
    ]


def node_ports(number: int) -> list[Manifest]:
    """Ports with a node port each: one for TCP, the next one for UDP."""
    return [
        {"name": p.lower(), "port": 80, "protocol": p, "targetPort": _PORT, "nodePort": number + n}
        for n, p in enumerate(("TCP", "UDP"))
    ]


#: Services whose connections have to last: name, number of the clusterIPs, and what is special.
STEADY: Mapping[str, tuple[int, Mapping[str, Any]]] = {
    "plain": (1, {}),
    "sticky": (2, {"sessionAffinity": "ClientIP"}),
    "node-port": (3, {"type": "NodePort", "ports": node_ports(30100)}),
    "local": (
        4,
        {"type": "NodePort", "externalTrafficPolicy": "Local", "ports": node_ports(30102)},
    ),
    "inside": (5, {"internalTrafficPolicy": "Local"}),
    "balanced": (
        6,
        {
            "type": "LoadBalancer",
            "ports": node_ports(30104),
            "loadBalancerSourceRanges": ["10.244.0.0/16", "fd00:244::/32"],
        },
    ),
}
BALANCED = ("198.51.100.6", "2001:db8:100::6")


def steady(behind: Sequence[Behind]) -> list[Manifest]:
    """Services that no apply concerns."""
    made: list[Manifest] = []
    for name, (number, spec) in STEADY.items():
        one = service(name, spec, number)
        if spec.get("type") == "LoadBalancer":
            one["status"] = {"loadBalancer": {"ingress": [{"ip": ip} for ip in BALANCED]}}
        made += [one, *slices(name, behind)]
    return made


def steady_vip(name: str, family: int) -> str:
    """The clusterIP of a steady Service: family 0 is IPv4, 1 is IPv6."""
    return _VIPS[family].format(STEADY[name][0])


@dataclass(slots=True)
class Changing:
    """Services beside the steady ones; each :meth:`change` is one merge."""

    real: Sequence[Behind]
    random: Random
    specs: dict[str, dict[str, Any]] = field(default_factory=dict)
    numbers: dict[str, int | None] = field(default_factory=dict)
    behind: dict[str, list[Behind]] = field(default_factory=dict)
    _names: Iterator[int] = field(default_factory=itertools.count)
    _crowded: bool = False

    def __post_init__(self) -> None:
        for _ in range(12):
            self._come()

    def manifests(self) -> list[Manifest]:
        """As they are now."""
        return [
            each
            for name, spec in self.specs.items()
            for each in (
                service(name, spec, self.numbers[name]),
                *slices(name, self.behind[name]),
            )
        ]

    def changes(self) -> Iterator[str]:
        """Change something, and say what, without end; each kind in its turn."""
        kinds: Sequence[tuple[str, Callable[[], None]]] = (
            ("endpoints come", self._gain),
            ("a Service comes", self._come),
            ("affinity", self._stick),
            ("endpoints go", self._lose),
            ("a node port comes or goes", self._open_port),
            ("source ranges", self._narrow),
            ("all endpoints go", self._empty),
            ("a Service goes", self._go),
            ("traffic policies", self._localise),
            ("external addresses", self._announce),
            ("another clusterIP", self._renumber),
            ("many come, or go again", self._crowd),
        )
        for name, change in itertools.cycle(kinds):
            change()
            yield name

    def _any(self) -> str:
        return self.random.choice([name for name in self.specs if not name.startswith("many")])

    def _free(self) -> int:
        used = set(self.numbers.values())
        return self.random.choice([n for n in range(10, 10 + _SPARE) if n not in used])

    def _come(self) -> None:
        number = next(self._names)
        name = f"changing-{number}"
        self.specs[name] = {}
        # Every other one shares a leaf with the steady ones; the rest are anywhere.
        self.numbers[name] = None if number % 2 else self._free()
        # The endpoints of the steady Services are also these ones', and go and come with them.
        self.behind[name] = [*self.random.sample(self.real, 2), self._nobody()]

    def _go(self) -> None:
        name = self._any()
        del self.specs[name], self.numbers[name], self.behind[name]

    def _nobody(self) -> Behind:
        number = self.random.randint(1, 250)
        return Behind(node="elsewhere", addresses=(f"10.1.0.{number}", f"fd00:1::{number:x}"))

    def _gain(self) -> None:
        own = self.behind[self._any()]
        new = self._nobody()
        while new in own:
            new = self._nobody()
        own.append(new)

    def _lose(self) -> None:
        self.behind[self.random.choice([n for n, e in self.behind.items() if e])].pop(0)

    def _empty(self) -> None:
        self.behind[self.random.choice([n for n, e in self.behind.items() if e])].clear()

    def _toggle(self, key: str, name: str, value: Any) -> None:
        spec = self.specs[name]
        if key in spec:
            del spec[key]
        else:
            spec[key] = value

    def _stick(self) -> None:
        self._toggle("sessionAffinity", self._any(), "ClientIP")

    def _open_port(self) -> None:
        spec = self.specs[self._any()]
        if "type" in spec:
            spec.clear()
        else:
            spec["type"] = "NodePort"

    def _narrow(self) -> None:
        name = self._any()
        if self.specs[name].get("type") != "LoadBalancer":
            self.specs[name] = {"type": "LoadBalancer"}
        self._toggle("loadBalancerSourceRanges", name, ["203.0.113.0/24", "2001:db8::/32"])

    def _localise(self) -> None:
        name = self._any()
        self._toggle("internalTrafficPolicy", name, "Local")
        if "type" in self.specs[name]:
            self._toggle("externalTrafficPolicy", name, "Local")

    def _announce(self) -> None:
        number = self.random.randint(1, 250)
        addresses = [f"192.0.2.{number}", f"2001:db8:2::{number:x}"]
        self._toggle("externalIPs", self._any(), addresses)

    def _renumber(self) -> None:
        self.numbers[self._any()] = self._free()

    def _crowd(self) -> None:
        """Split the leaves of the addresses beside, or join them again."""
        names = [f"many-{n}" for n in range(60)]
        if self._crowded:
            for name in names:
                del self.specs[name], self.numbers[name], self.behind[name]
        else:
            for n, name in enumerate(names):
                self.specs[name], self.numbers[name] = {}, 100 + n
                self.behind[name] = [self._nobody()]
        self._crowded = not self._crowded
