"""Random worlds: Services, endpoints and settings of one node, and small changes to them.

Everything comes from one ``random.Random``, so a seed is enough to see a failure again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from random import Random

from svcform.model.endpoint import Endpoint, PortKey, ServiceEndpoints
from svcform.model.net import Family, Protocol, endpoint_text, family_of
from svcform.model.service import (
    Ingress,
    NamespacedName,
    Service,
    ServicePort,
    ServiceType,
    TrafficPolicy,
)
from svcform.model.settings import ProxyMode, Settings
from tests.flow.arena import Flow
from tests.flow.model import PROXY_NAME_LABEL, World

HERE, THERE = "arena", "elsewhere"
NODE_ADDRESSES = ("192.168.0.2", "192.168.99.11", "fd00::2", "fd00:99::11")
PRIMARY = ("192.168.0.2", "fd00::2")
SERVICE_CIDRS = ("10.96.0.0/16", "fd00:96::/112")
PODS_HERE = {Family.IPV4: "10.244.1.{}", Family.IPV6: "fd00:244:1::{}"}
PODS_THERE = {Family.IPV4: "10.244.2.{}", Family.IPV6: "fd00:244:2::{}"}
OUTSIDE = {
    Family.IPV4: ("203.0.113.5", "198.51.100.77"),
    Family.IPV6: ("2001:db8:113::5", "2001:db8:100::77"),
}
_VIPS = {Family.IPV4: "10.96.{}.{}", Family.IPV6: "fd00:96::1{}:{}"}
_EXTERNAL = {Family.IPV4: "192.0.2.{}", Family.IPV6: "2001:db8:2::{}"}
_BALANCERS = {Family.IPV4: "198.51.100.{}", Family.IPV6: "2001:db8:100::{}"}
_RANGES = {
    Family.IPV4: ("203.0.113.0/24", "10.244.0.0/16", "192.168.0.0/24", "198.51.100.77/32"),
    Family.IPV6: ("2001:db8:113::/48", "fd00:244::/32", "fd00::/64", "2001:db8:100::77/128"),
}
_MAX_SERVICES = 5


def random_world(random: Random, mode: ProxyMode, services: int = _MAX_SERVICES) -> World:
    """A world with up to so many Services."""
    settings = _settings(random, mode)
    keys = [NamespacedName("test", f"service-{n}") for n in range(random.randint(1, services))]
    made = {key: _service(random, key, number, mode) for number, key in enumerate(keys)}
    endpoints = {key: _endpoints(random, made[key]) for key in keys}
    return World(made, endpoints, settings, NODE_ADDRESSES)


def changed(random: Random, world: World) -> World:
    """The world a little later: a Service comes, goes or changes, or its endpoints do."""
    services, endpoints = dict(world.services), dict(world.endpoints)
    for _ in range(random.randint(1, 2)):
        key = NamespacedName("test", f"service-{random.randrange(_MAX_SERVICES + 1)}")
        action = random.choice(("endpoints", "endpoints", "service", "remove"))
        if action == "remove" and key in services:
            del services[key], endpoints[key]
        elif action == "endpoints" and key in services:
            endpoints[key] = _endpoints(random, services[key])
        else:
            services[key] = _service(
                random, key, int(key.name.rpartition("-")[2]), world.settings.proxy_mode
            )
            endpoints[key] = _endpoints(random, services[key])
    return dataclasses.replace(world, services=services, endpoints=endpoints)


def _settings(random: Random, mode: ProxyMode) -> Settings:
    return Settings(
        proxy_mode=mode,
        service_cidrs=random.choice((SERVICE_CIDRS, SERVICE_CIDRS, SERVICE_CIDRS[:1], ())),
        pod_cidrs=random.choice(
            (
                ("10.244.1.0/24", "fd00:244:1::/64"),
                ("10.244.1.0/24", "fd00:244:1::/64"),
                ("10.244.1.0/24",),
                (),
            )
        ),
        masquerade_all=random.random() < 0.1,
        node_ip=PRIMARY,
        node_name=HERE,
        zone=random.choice(("", "a", "b")),
        node_port_addresses=random.choice(
            (("primary",), ("primary",), ("all",), ("192.168.99.0/24",), ("fd00:99::/64",))
        ),
        localhost_node_ports=random.random() < 0.2,
    )


def _policy(random: Random) -> TrafficPolicy:
    return random.choice((TrafficPolicy.CLUSTER, TrafficPolicy.CLUSTER, TrafficPolicy.LOCAL))


def _service(random: Random, key: NamespacedName, number: int, mode: ProxyMode) -> Service:
    families = random.choice(
        ((Family.IPV4,), (Family.IPV6,), (Family.IPV4, Family.IPV6), (Family.IPV6, Family.IPV4))
    )
    kind = random.choice((ServiceType.CLUSTER_IP, ServiceType.NODE_PORT, ServiceType.LOAD_BALANCER))
    low = random.randint(1, 250)
    external = random.random() < 0.4
    balanced = kind is ServiceType.LOAD_BALANCER
    return Service(
        key=key,
        type=kind,
        headless=(headless := random.random() < 0.05),
        cluster_ips=() if headless else tuple(_VIPS[f].format(number, low) for f in families),
        ip_families=families,
        ports=_ports(random, number, mode, node_ports=kind is not ServiceType.CLUSTER_IP),
        external_ips=tuple(_external(random, f, number) for f in families) if external else (),
        ingress=tuple(
            Ingress(address=_BALANCERS[f].format(10 + number), vip=random.random() < 0.85)
            for f in families
        )
        if balanced
        else (),
        source_ranges=_source_ranges(random, families) if balanced else (),
        internal_traffic_policy=_policy(random),
        external_traffic_policy=_policy(random),
        affinity_seconds=random.choice((None, None, None, 10800)),
        labels=((PROXY_NAME_LABEL, ""),) if random.random() < 0.05 else (),
    )


def _external(random: Random, family: Family, number: int) -> str:
    if random.random() < 0.15 and number == 0:
        return "192.168.99.11" if family is Family.IPV4 else "fd00:99::11"
    return _EXTERNAL[family].format(10 + number)


def _source_ranges(random: Random, families: tuple[Family, ...]) -> tuple[str, ...]:
    if random.random() < 0.5:
        return ()
    return tuple(r for f in families for r in sorted(random.sample(_RANGES[f], 2)))


def _ports(
    random: Random, number: int, mode: ProxyMode, *, node_ports: bool
) -> tuple[ServicePort, ...]:
    chosen = random.sample(
        [(p, port) for p in Protocol if p in mode.protocols for port in (80, 443)],
        random.randint(1, 3),
    )
    return tuple(
        ServicePort(
            name=f"{protocol.value.lower()}-{port}",
            protocol=protocol,
            port=port,
            node_port=30000 + number * 10 + index if node_ports and random.random() < 0.9 else 0,
        )
        for index, (protocol, port) in enumerate(chosen)
    )


def _endpoints(random: Random, service: Service) -> ServiceEndpoints:
    result = {}
    hints = random.choice(("none", "none", "zones", "nodes", "mixed"))
    for family in service.ip_families:
        places = _places(random, family)
        for port in service.ports:
            if places and random.random() < 0.1:
                continue
            found = [_endpoint(random, place, hints) for place in places]
            found.sort(key=lambda e: endpoint_text(e.address, e.port))
            if found:
                result[PortKey(port.name, port.protocol, family)] = tuple(found)
    return result


def _places(random: Random, family: Family) -> list[tuple[str, int, str | None]]:
    everywhere: list[tuple[str, int, str | None]] = [
        (PODS_HERE[family].format(n), 8080, HERE) for n in (5, 6)
    ]
    everywhere += [(PODS_THERE[family].format(n), 8080 + n % 2, THERE) for n in (5, 6)]
    everywhere += [
        (OUTSIDE[family][0], 9000, None),
        (NODE_ADDRESSES[0 if family is Family.IPV4 else 2], 9100, HERE),
    ]
    return random.sample(everywhere, random.choice((0, 1, 1, 2, 3, 4)))


def _endpoint(random: Random, place: tuple[str, int, str | None], hints: str) -> Endpoint:
    address, port, node = place
    ready, serving, terminating = random.choice(
        [(True, True, False)] * 5
        + [(False, True, True), (False, False, True), (False, False, False)]
    )
    zones = hints == "zones" or (hints == "mixed" and random.random() < 0.5)
    return Endpoint(
        address,
        port,
        node,
        ready,
        serving,
        terminating,
        (random.choice(("a", "b", "c")),) if zones else (),
        (random.choice((HERE, THERE)),) if hints == "nodes" else (),
    )


def flows(random: Random, world: World) -> list[Flow]:
    """New connections from everybody to every frontend, and to places that are none."""
    frontends = set(_frontends(world))
    near_misses = {(a, p + 1, q) for a, p, q in frontends}
    unused = {("10.96.200.9", 80, Protocol.TCP), ("fd00:96::999:9", 80, Protocol.UDP)}
    unused |= {("192.0.2.200", 80, Protocol.SCTP), ("127.0.0.1", 9, Protocol.TCP)}
    targets = sorted(frontends | near_misses | unused, key=str)
    return [
        Flow(source, address, port, protocol)
        for address, port, protocol in targets
        for source in _sources(random, world, address, node_port=port >= 30000)
    ]


def _frontends(world: World) -> Iterator[tuple[str, int, Protocol]]:
    for service in world.services.values():
        addresses = (*service.cluster_ips, *service.external_ips)
        addresses += tuple(i.address for i in service.ingress)
        for port in service.ports:
            for address in addresses:
                yield address, port.port, port.protocol
            if port.node_port:
                for address in NODE_ADDRESSES:
                    yield address, port.node_port, port.protocol
                if world.settings.localhost_node_ports:
                    yield "127.0.0.1", port.node_port, port.protocol


def _sources(random: Random, world: World, destination: str, *, node_port: bool) -> list[str]:
    family = family_of(destination)
    if destination == "127.0.0.1":
        return ["127.0.0.1"] if node_port else [OUTSIDE[family][0], PODS_HERE[family].format(5)]
    own = [a for a in world.node_addresses if family_of(a) is family]
    sources = [
        PODS_HERE[family].format(5),
        PODS_HERE[family].format(99),
        PODS_THERE[family].format(5),
        *OUTSIDE[family],
        random.choice(own),
    ]
    balancers = [
        i.address
        for service in world.services.values()
        for i in service.ingress
        if family_of(i.address) is family
    ]
    if balancers:
        sources.append(random.choice(balancers))
    return sources
