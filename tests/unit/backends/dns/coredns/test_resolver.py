"""A node's systemd-resolved is led to CoreDNS, also where others name servers for it."""

from __future__ import annotations

import pytest

from svcform.backends.contract import Reading, Status
from svcform.backends.dns.coredns import COREDNS
from svcform.backends.dns.coredns.observe import PROBE
from svcform.model.facts import Facts, Init
from svcform.model.settings import Settings
from svcform.model.zone import Soa, Zone, Zones
from svcform.policy.intent import Intent, PortGroup

FOLDER = "/etc/systemd/resolved.conf.d"
SOA = Soa(primary="ns.dns.cluster.local.", mailbox="hostmaster.cluster.local.")
ZONES = Zones(zones=(Zone(origin="cluster.local.", soa=SOA, records=()),))


def expressed(*rivals, **settings):
    """The drop-in's text, and what is said against it."""
    lines = ["resolver\tsystemd-resolved", *(f"resolver-rival\t{path}" for path in rivals)]
    output = "".join(f"{line}\n" for line in lines).encode()
    readings = {PROBE: Reading(status=Status.READ, output=output)}
    nothing = PortGroup(())
    intent = Intent(
        node_name="n1",
        settings=Settings(dns=True, dns_listen=("192.0.2.1",), dns_resolver="node", **settings),
        common=nothing,
        own=nothing,
        cluster_ips=(),
        hairpin=(),
        health_check_node_ports=(),
        zones=ZONES,
    )
    found = COREDNS.express(intent, COREDNS.tell(readings, Facts(init=Init.SYSTEMD)))
    texts = [f.text for a, f in found.wanted.items() if f"{FOLDER}/svcform.conf" in a.path]
    return "".join(texts).splitlines()[2:], [each.detail for each in found.diagnostics]


def test_only_the_zones_go_to_coredns_where_nobody_else_names_servers():
    assert expressed() == (["DNS=169.254.20.10", "Domains=~cluster.local"], [])


@pytest.mark.parametrize("path", ["/etc/systemd/resolved.conf", f"{FOLDER}/site.conf"])
def test_coredns_takes_the_place_of_other_servers_and_has_to_ask_them(path):
    nothing, (detail,) = expressed(path)

    assert not nothing
    assert f"{path} names servers for systemd-resolved" in detail
    assert "set dns_forward" in detail
    assert expressed(path, dns_forward=("192.0.2.53",)) == (
        ["DNS=", "DNS=169.254.20.10", "Domains=~cluster.local"],
        [],
    )


def test_a_file_that_is_read_behind_ours_is_named():
    path = "/run/systemd/resolved.conf.d/zz.conf"

    _, (detail,) = expressed(path, dns_forward=("192.0.2.53",))

    assert f"{path} names servers for systemd-resolved, and is read behind" in detail
