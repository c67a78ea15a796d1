"""kube-proxy's own cases of which connections a change of endpoints ends, on real entries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from svcform.engine.connections import forget_connections
from svcform.inputs.cluster import objects_of, resolve_services
from svcform.inputs.endpoints import resolve_endpoints
from svcform.inputs.workloads import Placements
from svcform.model.net import Protocol
from svcform.model.settings import Settings
from svcform.policy import table
from svcform.program.program import Step
from tests.conformance.connections import FACTS, NODE, Entry, Namespace, open_namespace
from tests.conformance.decided import decided
from tests.flow.model import World

pytestmark = pytest.mark.root
CASES = Path(__file__).parents[3] / "shared" / "conformance" / "conntrack_cases.yaml"
MISSING = f"{CASES} is not here: the conformance data is not part of the repository"

#: What svcform does on purpose to all entries of a case.  kube-proxy up to 1.36 skips a Service
#: that has no endpoint, and its clients keep sending to one that is gone (kubernetes/kubernetes
#: 139628); svcform does what 1.37 does.
DELIBERATE = {"TestServiceWithoutEndpoints": "deleted"}


def cases() -> list[Any]:
    if not CASES.exists():
        return [pytest.param(None, marks=pytest.mark.skip(reason=MISSING))]
    read = yaml.safe_load(CASES.read_text(encoding="utf-8"))["cases"]
    return [pytest.param(case, id=case["name"]) for case in read]


@pytest.fixture(params=["dash", "busybox"])
def namespace(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Namespace]:
    with open_namespace(tmp_path / "tools", request.param) as opened:
        yield opened


def step_of(case: Mapping[str, Any]) -> Step:
    """The step with which a node comes to have the case's Services."""
    objects = objects_of([*case["services"], *case["endpointslices"]])
    cluster, _ = resolve_services(objects, lenient=True)
    endpoints, _ = resolve_endpoints(cluster.services, {}, objects, Placements())
    intent, _ = decided(World(cluster.services, endpoints, Settings(), (NODE,)))
    (step,) = forget_connections(table.compare((), table.rows(intent)), intent, FACTS).steps
    return step


def entry_of(row: Mapping[str, Any]) -> Entry:
    return Entry(
        row["origDst"] or NODE,
        row["origDstPort"],
        row["replySrc"],
        row["replySrcPort"],
        Protocol(row["protocol"].upper()),
    )


@pytest.mark.parametrize("case", cases())
def test_the_same_connections_survive(namespace: Namespace, case: Mapping[str, Any]) -> None:
    entries = [entry_of(row) for row in case["entries"]]
    results = [row["result"] for row in case["entries"]]
    if case["name"] in DELIBERATE:
        results = [DELIBERATE[case["name"]]] * len(results)
    namespace.inject(entries)
    assert namespace.survivors(entries) == entries

    namespace.run(step_of(case))

    kept = [entry for entry, result in zip(entries, results, strict=True) if result == "kept"]
    assert namespace.survivors(entries) == kept


def test_the_table_is_whole() -> None:
    if not CASES.exists():
        pytest.skip(MISSING)
    assert sum(len(parameter.values[0]["entries"]) for parameter in cases()) == 74
