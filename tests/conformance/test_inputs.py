"""kube-proxy's own test inputs can be read: leniently, because some are no valid Services."""

from pathlib import Path

import pytest
import yaml

from svcform.inputs.cluster import objects_of, resolve_services
from svcform.inputs.endpoints import resolve_endpoints
from svcform.inputs.validate import validate
from svcform.inputs.workloads import Placements

FILE = Path(__file__).parents[3] / "shared" / "conformance" / "packetflow_cases.yaml"


def cases():
    if not FILE.exists():
        return []
    return yaml.load(FILE.read_text(), Loader=yaml.CSafeLoader)["cases"]


@pytest.mark.skipif(not FILE.exists(), reason="the conformance data is not beside the checkout")
def test_all_inputs_are_read_and_only_the_lenient_reading_takes_some():
    refused = 0
    for case in cases():
        values = [*case["services"], *case["endpointslices"]]
        objects, problems = validate(objects_of(values), "strict")
        assert problems == [], case["name"]
        cluster, found = resolve_services(objects, lenient=True)
        assert found == [], case["name"]
        assert len(cluster.services) == len(case["services"])
        endpoints, found = resolve_endpoints(
            cluster.services, cluster.selectors, objects, Placements()
        )
        assert set(endpoints) == set(cluster.services)
        refused += bool(resolve_services(objects)[1])
    assert refused > 0


@pytest.mark.skipif(not FILE.exists(), reason="the conformance data is not beside the checkout")
def test_addresses_with_leading_zeros_are_canonical():
    bad = [case for case in cases() if "BadIPs" in case["name"]]
    assert bad
    for case in bad:
        objects = objects_of([*case["services"], *case["endpointslices"]])
        cluster, _ = resolve_services(objects, lenient=True)
        for service in cluster.services.values():
            for address in (*service.cluster_ips, *service.external_ips):
                assert ".0" not in address.replace(".0.", ".").removesuffix(".0")
