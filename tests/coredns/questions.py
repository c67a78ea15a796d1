"""Questions about a world: of all that exists in it, and of much that doesn't."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from random import Random

from tests.coredns.asking import Question
from tests.coredns.serving import zones_of
from tests.coredns.worlds import SERVERS, ZONE, Object, World

_TYPES = ("A", "AAAA", "SRV", "PTR", "CNAME", "TXT", "SOA", "NS", "MX", "ANY")
_FIXED = (
    *("", "svc.", "pod.", "dns.", "ns.dns.", "dns-version.", "x.", "shop.", "web.shop.svc.svc."),
    *("nowhere.svc.", "nowhere.pod.", "gone.shop.svc.", "_http._tcp.gone.shop.svc."),
    *("10-244-0-1.shop.pod.", "10-244-0-9.shop.pod.", "fd00-244--1.shop.pod.", "x.shop.pod."),
    *("10-244-0-1.default.pod.", "10-244-0-1.empty.pod.", "a.b.c.d.e.shop.svc."),
)
_SPACES = ("shop", "kube-system", "default", "empty")
#: How many of a world's questions are asked.
_MOST = 400


def questions(random: Random, world: World) -> list[Question]:
    """Names of a world and near misses, each with some types and in any letter case."""
    services = {_name_of(service) for service in world.of("Service")}
    first = {Question(name, kind) for name in services for kind in _TYPES[:5]}
    others = sorted({Question(name, kind) for name in _names(world) for kind in _TYPES} - first)
    chosen = [*sorted(first), *random.sample(others, min(_MOST - len(first), len(others)))]
    return [Question(_mixed(random, name), kind) for name, kind in chosen]


def _mixed(random: Random, name: str) -> str:
    if random.random() < 0.6:
        return name
    return "".join(random.choice((letter.lower(), letter.upper())) for letter in name)


def _names(world: World) -> Iterator[str]:
    yield from (f"{head}{ZONE}" for head in _FIXED)
    for space in _SPACES:
        yield from (f"{space}.svc.{ZONE}", f"{space}.pod.{ZONE}", f"_nodata.{space}.svc.{ZONE}")
    yield from ("96.10.in-addr.arpa.", "0.96.10.in-addr.arpa.", "244.10.in-addr.arpa.")
    # All that the zones have, and all that the objects say, whether the zones have it or not.
    yield from (found.name for zone in zones_of(world) for found in zone.records)
    for service in world.of("Service"):
        yield from _of_service(world, service)
    addresses = [e["addresses"][0] for each in world.of("EndpointSlice") for e in each["endpoints"]]
    addresses += [ip for each in world.of("Service") for ip in each["spec"].get("clusterIPs") or ()]
    for address in (*addresses, *SERVERS, "10.96.9.9", "10.244.9.9", "fd00:96::9999"):
        if address not in {"None", *SERVERS}:
            yield f"{ipaddress.ip_address(address).reverse_pointer}."


def _name_of(service: Object) -> str:
    metadata = service["metadata"]
    return f"{metadata['name']}.{metadata['namespace']}.svc.{ZONE}"


def _of_service(world: World, service: Object) -> Iterator[str]:
    name = _name_of(service)
    yield from (name, f"x.{name}", f"_tcp.{name}", f"_http._udp.{name}", f"_x._tcp.{name}")
    yield from (f"_dns._tcp.{name}", f"http.tcp.{name}", f"_dns._udp.{name}", f"a.b.c.{name}")
    yield from (f"_zone.{name}", f"pin._zone.{name}", f"eu-1a.pin._zone.{name}")
    yield from (f"eu-9.pin._zone.{name}", f"eu-1b.prefer._zone.{name}", f"eu-9.prefer._zone.{name}")
    for port in service["spec"].get("ports") or ():
        yield f"_{port.get('name', 'x')}._{port['protocol'].lower()}.{name}"
    for each in world.of("EndpointSlice"):
        labels = each["metadata"]["labels"]
        if labels["kubernetes.io/service-name"] != service["metadata"]["name"]:
            continue
        for endpoint in each["endpoints"]:
            dashed = endpoint["addresses"][0].replace(".", "-").replace(":", "-")
            yield f"{endpoint.get('hostname', dashed)}.{name}"
            yield f"{dashed}.{name}"
            yield f"{dashed}0.{name}"
