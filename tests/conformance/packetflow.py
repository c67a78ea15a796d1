"""kube-proxy's packet-flow cases: read, and turned into a world and what is expected in it."""

from __future__ import annotations

from collections.abc import Mapping
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
    """One case; ``accepts`` says that a packet to the node itself is to be let in."""

    name: str
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


def is_double(case: Case | None) -> bool:
    """Whether a case of iptables mode is one of nftables mode, too, by its name."""
    if case is None or case.mode != "iptables":
        return False
    return case.name.replace("iptables/", "nftables/", 1) in {each.name for each in cases()}


def _case(raw: Mapping[str, Any]) -> Case:
    proxy = raw["proxy"]
    objects = objects_of([*raw["services"], *raw["endpointslices"]])
    cluster, _ = resolve_services(objects, lenient=True)
    endpoints, _ = resolve_endpoints(cluster.services, {}, objects, Placements())
    assert tuple(proxy["localIPs"]) == NODE_ADDRESSES
    world = World(cluster.services, endpoints, _settings(proxy), NODE_ADDRESSES)
    return Case(raw["name"], raw["mode"], world, tuple(_flow(each) for each in raw["flows"]))


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
