"""What is on a node is read, whatever somebody made of it."""

from __future__ import annotations

import pytest

from svcform.backends.contract import Reading, Status
from svcform.backends.proxy.ipvs import IPVS
from svcform.backends.proxy.ipvs.objects import SET, address
from svcform.backends.proxy.ipvs.observe import SETS
from svcform.model.facts import Facts

NAME = "SVCFORM-6-VIRTUAL"


@pytest.mark.parametrize(
    ("kind", "element"),
    [("hash:ip", "fd96::1"), ("hash:ip,port", "fd96::1,ipv6-icmp:128/0"), ("list:set", "OTHERS")],
)
def test_a_set_of_another_type_is_read_as_one_that_is_to_be_made_anew(kind: str, element: str):
    listed = f"create {NAME} {kind} family inet6\nadd {NAME} {element}\n"
    readings = {SETS: Reading(status=Status.READ, output=listed.encode())}

    found = IPVS.read(readings, Facts())

    assert found[address("ip6", SET, NAME)].head.type == kind
