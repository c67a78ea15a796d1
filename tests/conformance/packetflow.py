"""kube-proxy's packet-flow cases: read, and turned into a world and what is expected in it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from svcform.inputs.cluster import objects_of, resolve_services
from svcform.inputs.endpoints import resolve_endpoints
from svcform.inputs.workloads import Placements
from svcform.model.net import Protocol, endpoint_text
from svcform.model.service import NamespacedName, ServicePort
from svcform.model.settings import ProxyMode, Settings
from tests.flow.arena import Flow, Seen
from tests.flow.model import Expected, World

FOLDER = Path(__file__).parents[3] / "shared" / "conformance"
FILE = FOLDER / "packetflow_cases.yaml"
MISSING = f"kube-proxy's cases are not here ({FILE.name} is looked for in {FOLDER})"
NODE_ADDRESSES = ("192.168.0.2", "192.168.1.2", "192.168.99.11", "2001:db8::1", "2001:db8:1::2")


@dataclass(frozen=True, slots=True)
class CaseFlow:
    """One flow of a case: ``expected`` is the text of the file, endpoints as a set."""

    name: str
    flow: Flow
    expected: frozenset[str] | str
    masquerade: bool


@dataclass(frozen=True, slots=True)
class Case:
    """One case; ``follows`` names the one that it is a change of, if any."""

    name: str
    follows: str
    mode: str
    world: World
    flows: tuple[CaseFlow, ...]

    @property
    def is_sticky(self) -> bool:
        """Whether a client always gets the same endpoint."""
        return any(s.affinity_seconds is not None for s in self.world.services.values())


@cache
def cases() -> tuple[Case, ...]:
    """All cases, in the file's order; none where the file is not there."""
    if not FILE.is_file():
        return ()
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return tuple(_case(raw) for raw in yaml.load(FILE.read_text(), loader)["cases"])


def parameters() -> list[Any]:
    """The cases as parameters of a test, or one that is skipped with the reason."""
    if not cases():
        return [pytest.param(None, marks=pytest.mark.skip(reason=MISSING))]
    return [pytest.param(case, id=case.name) for case in cases()]


def moved(case: Case, number: int) -> Case:
    """The same case with ports of its own, so that others can be on the node beside it.

    Addresses stay as they are; no two cases have ports that are the same but for hundreds.
    """
    by = 100 * number
    services, endpoints = {}, {}
    for key, service in case.world.services.items():
        key_there = NamespacedName(f"{key.namespace}-{number}", key.name)
        services[key_there] = dataclasses.replace(
            service,
            key=key_there,
            ports=tuple(_port_moved(port, by) for port in service.ports),
            health_check_node_port=_moved_if_any(service.health_check_node_port, by),
        )
        endpoints[key_there] = case.world.endpoints[key]
    world = dataclasses.replace(case.world, services=services, endpoints=endpoints)
    flows = [(f, dataclasses.replace(f.flow, port=f.flow.port + by)) for f in case.flows]
    return dataclasses.replace(
        case,
        world=world,
        flows=tuple(dataclasses.replace(each, flow=flow) for each, flow in flows),
    )


def _port_moved(port: ServicePort, by: int) -> ServicePort:
    node_port = _moved_if_any(port.node_port, by)
    return dataclasses.replace(port, port=port.port + by, node_port=node_port)


def _moved_if_any(port: int, by: int) -> int:
    return port + by if port else 0


def rounds() -> Iterator[tuple[tuple[Case, ...], ...]]:
    """Cases with the same settings, moved apart: those that begin, and those that follow them."""
    settings: list[Settings] = []
    for case in cases():
        if case.world.settings not in settings:
            settings.append(case.world.settings)
    for each in settings:
        together = [case for case in cases() if case.world.settings == each]
        begin = [case for case in together if not case.follows]
        names = [case.name for case in begin]
        follow = [case for case in together if case.follows]
        yield tuple(
            tuple(moved(case, names.index(case.follows or case.name)) for case in one)
            for one in (begin, follow)
            if one
        )


def beside_each_other(many: Iterable[Case]) -> World:
    """One world of cases that were moved apart."""
    worlds = [case.world for case in many]
    return dataclasses.replace(
        worlds[0],
        services={key: s for world in worlds for key, s in world.services.items()},
        endpoints={key: e for world in worlds for key, e in world.endpoints.items()},
    )


def _case(raw: Mapping[str, Any]) -> Case:
    proxy = raw["proxy"]
    objects = objects_of([*raw["services"], *raw["endpointslices"]])
    cluster, _ = resolve_services(objects, lenient=True)
    endpoints, _ = resolve_endpoints(cluster.services, {}, objects, Placements())
    assert tuple(proxy["localIPs"]) == NODE_ADDRESSES
    world = World(cluster.services, endpoints, _settings(proxy), NODE_ADDRESSES)
    flows = tuple(_flow(each) for each in raw["flows"])
    return Case(raw["name"], raw.get("follows", ""), raw["mode"], world, flows)


def _settings(proxy: Mapping[str, Any]) -> Settings:
    detector = proxy["localDetector"]
    return Settings(
        proxy_mode=ProxyMode.IPTABLES,  # which has most: node ports on the loopback, too
        service_cidrs=tuple(proxy.get("serviceCIDRs", ())),
        pod_cidrs=(detector,) if detector else (),
        masquerade_all=proxy["masqueradeAll"],
        node_ip=("192.168.0.2", "2001:db8::1"),
        node_name=proxy["nodeName"],
        zone=proxy.get("zone", ""),
        node_port_addresses=tuple(proxy["nodePortAddresses"] or ("all",)),
        localhost_node_ports=proxy.get("localhostNodePorts", False),
    )


def _flow(raw: Mapping[str, Any]) -> CaseFlow:
    flow = Flow(raw["sourceIP"], raw["destIP"], raw["destPort"], Protocol(raw["protocol"]))
    expected = raw["expected"]
    expected = expected if isinstance(expected, str) else frozenset(expected)
    return CaseFlow(raw["name"], flow, expected, raw["masq"])


def said_by_model(expected: Expected, case: CaseFlow) -> str:
    """What is wrong with what the model says about a flow; empty if it agrees with the case."""
    if expected.verdict != "delivered":
        return "" if case.expected == expected.verdict else f"{case}: the model says {expected}"
    here = frozenset({(case.flow.destination, case.flow.port)})
    if case.expected in {"NONE", "ACCEPT"}:
        untouched = expected.endpoints == here and not expected.masqueraded
        return "" if untouched else f"{case}: the model says {expected}"
    reached = frozenset(endpoint_text(*place) for place in expected.endpoints)
    masquerade = bool(expected.masqueraded or expected.either)
    agrees = reached == case.expected and masquerade == case.masquerade
    return "" if agrees else f"{case}: the model says {expected}"


def judge(case: CaseFlow, tries: list[Seen], *, sticky: bool) -> str:
    """What is wrong with what was seen of a flow, tried several times; empty if nothing is."""
    verdicts = {seen.verdict for seen in tries}
    if case.expected in {"REJECT", "DROP"}:
        return "" if verdicts == {case.expected} else f"{case}: saw {sorted(verdicts)}"
    if verdicts != {"delivered"}:
        return f"{case}: saw {sorted(verdicts)}"
    reached = {endpoint_text(seen.address, seen.port) for seen in tries}
    masqueraded = any(seen.source != case.flow.source for seen in tries)
    if case.expected in {"NONE", "ACCEPT"}:
        wanted = {endpoint_text(case.flow.destination, case.flow.port)}
    else:
        wanted = set(case.expected)
    if reached != wanted and not (sticky and len(reached) == 1 and reached < wanted):
        return f"{case}: reached {sorted(reached)}"
    return "" if masqueraded == case.masquerade else f"{case}: masquerade is {masqueraded}"
