"""What a node is to hold."""

from __future__ import annotations

from dataclasses import replace

from svcform.backends.proxy.ipvs import IPVS
from svcform.backends.proxy.ipvs.objects import Elements
from svcform.lang.ipset.names import Set
from svcform.model.facts import Facts
from svcform.model.net import Family
from svcform.model.service import Ingress, ServiceType
from svcform.model.settings import ProxyMode
from tests.unit.backends.proxy.iptables import workspaces

SETTINGS = replace(workspaces.SETTINGS, proxy_mode=ProxyMode.IPVS)
SOURCES = Set.SOURCES.name_in(Family.IPV4)
FACTS = Facts(tools={"ipvsadm": "present", "ipset": "present", "ip": "present"})


def test_an_address_of_the_services_own_that_its_ranges_name_is_let_in_once():
    limited = workspaces.service(
        1,
        type=ServiceType.LOAD_BALANCER,
        ingress=(Ingress(address="198.51.100.1"),),
        source_ranges=("192.0.2.0/24", "198.51.100.1/32"),
    )
    wanted = IPVS.express(workspaces.intent([limited], settings=SETTINGS), FACTS).wanted
    let_in = [
        each.elements
        for each in wanted.values()
        if isinstance(each, Elements) and each.set_name == SOURCES
    ]
    at = "198.51.100.1,tcp:80"
    assert let_in == [(f"{at},192.0.2.0/24", f"{at},198.51.100.1")]
