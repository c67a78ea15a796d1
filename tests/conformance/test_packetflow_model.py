"""The model that judges random flows agrees with kube-proxy's own tests."""

from __future__ import annotations

import pytest

from tests.conformance.differences import DIFFERENCES
from tests.conformance.packetflow import Case, parameters, said_by_model
from tests.flow.model import expect


@pytest.mark.parametrize("case", parameters())
def test_the_model_says_what_kube_proxys_tests_assert(case: Case):
    differences = DIFFERENCES.get(case.name, {})
    wrong = [
        problem
        for each in case.flows
        if each.name not in differences
        and (problem := said_by_model(expect(case.world, each.flow), each))
    ]

    assert wrong == []
