"""kube-proxy's own packet flows, judged by what policy decides, in all modes.

What a backend makes of a decision is judged with real packets elsewhere.
"""

from __future__ import annotations

import pytest

from svcform.model.net import endpoint_text
from tests.conformance.decided import Meets, decided, meets
from tests.conformance.differences import DIFFERENCES
from tests.conformance.packetflow import Case, parameters


def as_the_file_says_it(found: Meets) -> tuple[frozenset[str] | str, bool]:
    if found.verdict != "delivered":
        return found.verdict, False
    return frozenset(endpoint_text(*place) for place in found.endpoints), bool(found.masqueraded)


@pytest.mark.parametrize("case", parameters())
def test_policy_decides_as_kube_proxys_tests_assert(case: Case):
    differences = DIFFERENCES.get(case.name, {})
    intent, addresses = decided(case.world)
    for each in case.flows:
        found = as_the_file_says_it(meets(each.flow, case.world, intent, addresses))
        if each.name in differences:
            assert found == (differences[each.name], False)
        else:
            assert found == (each.expected, each.masquerade), each.name
