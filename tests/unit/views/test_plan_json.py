"""The JSON of a plan keeps to its published schema."""

from __future__ import annotations

import json

import jsonschema
import pytest

from svcform import data
from svcform.diagnostics import Diagnostic, Location, Severity
from svcform.views.plan_json import FORMAT_VERSION, plan_json
from tests.unit.views.plans import change, node, plan, problem, row

SCHEMA = json.loads(data.read_text("schemas", "plan.schema.json"))
FINDING = Diagnostic(
    "SVC201", Severity.WARNING, "a summary", "A detail.", Location("services/a.yml", 3, 7)
)
MOVED = row(frontends=("ClusterIP 10.96.0.99:80",), endpoints=("10.244.1.9:80",))
BROKEN = change("nat SVCFORM-X", ("-A a",), ("-A b",))


def document(*nodes, **options):
    return json.loads(plan_json(plan(*nodes, **options), "ab" * 32, [FINDING], exit_code=2))


@pytest.mark.parametrize(
    "nodes",
    [
        (),
        (node("a"),),
        (node("a", (None, row()), (row("x/y"), None), diagnostics=(FINDING,)),),
        (node("a", (row(), MOVED), changes=(BROKEN,), drift=(BROKEN.address,)), problem("b")),
    ],
)
def test_every_plan_keeps_to_the_schema(nodes):
    jsonschema.validate(document(*nodes, refusals=(FINDING,)), SCHEMA)


def test_values_are_values_and_no_sentences():
    service = document(node("a", (row(), MOVED)))["nodes"][0]["services"][0]

    assert service["action"] == "update"
    assert service["endpoints_lost"] == ["10.244.1.5:80"]
    assert service["endpoints_gained"] == ["10.244.1.9:80"]
    assert service["renumbered"] == [
        {"before": "ClusterIP 10.96.0.17:80", "after": "ClusterIP 10.96.0.99:80"}
    ]


def test_a_problem_has_its_stable_reason():
    found = document(problem("b", "host-key"))

    assert found["nodes"][0]["problem"]["reason"] == "host-key"
    assert found["summary"]["unplanned"] == 1
    assert not found["empty"]


def test_the_documented_version_is_the_one_that_is_printed():
    assert document()["format_version"] == FORMAT_VERSION


def test_drift_is_marked():
    found = document(node("a", changes=(BROKEN,), drift=(BROKEN.address,)))

    assert found["nodes"][0]["objects"][0]["drift"] is True


def test_the_bytes_are_the_same_each_time():
    one = plan(node("a", (None, row())))

    assert plan_json(one, "d") == plan_json(one, "d")
