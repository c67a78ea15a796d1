"""kube-proxy's own table of endpoint selection, all rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from svcform.model.endpoint import Endpoint
from svcform.model.service import (
    Ingress,
    NamespacedName,
    Service,
    ServicePort,
    ServiceType,
    TrafficPolicy,
)
from svcform.policy import services as rules
from svcform.policy.endpoints import Viewpoint, select
from svcform.policy.intent import Destination

CASES = Path(__file__).parents[3] / "shared" / "conformance" / "endpoint_selection_cases.yaml"

#: What svcform answers on purpose, and why.
DELIBERATE = {
    "PreferSameNode falls back to same-zone when feature gate disabled": (
        "the gate PreferSameTrafficDistribution is locked on since Kubernetes 1.35: node hints win",
        {"cluster": ["10.1.2.3:80"], "local": [], "reachable": ["10.1.2.3:80"]},
    ),
}


def cases() -> list[Any]:
    if not CASES.exists():
        reason = f"{CASES} is not here: the conformance data is not part of the repository"
        return [pytest.param(None, marks=pytest.mark.skip(reason=reason))]
    return [
        pytest.param(case, id=case["name"])
        for case in yaml.safe_load(CASES.read_text(encoding="utf-8"))["cases"]
    ]


def as_endpoint(row: dict[str, Any], here: str) -> Endpoint:
    address, port = row["endpoint"].rsplit(":", 1)
    return Endpoint(
        address,
        int(port),
        here if row["local"] else None,
        ready=row["ready"],
        serving=row["serving"],
        terminating=row["terminating"],
        zone_hints=tuple(row["zoneHints"]),
        node_hints=tuple(row["nodeHints"]),
    )


def as_service(fields: dict[str, Any]) -> Service:
    return Service(
        key=NamespacedName("default", "web"),
        type=ServiceType.LOAD_BALANCER,
        cluster_ips=("10.96.0.1",),
        ports=(ServicePort(port=80),),
        ingress=(Ingress(address="192.0.2.1"),) if fields["externallyReachable"] else (),
        internal_traffic_policy=TrafficPolicy(fields["internalTrafficPolicy"]),
        external_traffic_policy=TrafficPolicy(fields["externalTrafficPolicy"]),
    )


def texts(destinations: tuple[Destination, ...]) -> list[str]:
    return [f"{destination.address}:{destination.port}" for destination in destinations]


@pytest.mark.parametrize("case", cases())
def test_selection(case):
    here = case["nodeName"] or "this-node"
    service = as_service(case["service"])
    (family,) = rules.families(service)
    selection = select(
        [as_endpoint(row, here) for row in case["endpoints"]],
        rules.uses(service, service.ports[0], family),
        Viewpoint(here, case["zone"]),
    )
    expected = {**case["expected"], **DELIBERATE.get(case["name"], ("", {}))[1]}
    assert {
        "cluster": texts(selection.cluster),
        "local": texts(selection.local),
        "reachable": texts(selection.reachable),
        "anyEndpoints": selection.has_any,
    } == expected


def test_the_table_is_whole():
    if not CASES.exists():
        pytest.skip(f"{CASES} is not here")
    assert len(cases()) == 32
