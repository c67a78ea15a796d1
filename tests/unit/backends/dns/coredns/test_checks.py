"""Who has port 53: only where CoreDNS is to serve, and never CoreDNS itself."""

from __future__ import annotations

import pytest

from svcform.backends.contract import Reading, Status
from svcform.backends.dns.coredns import COREDNS
from svcform.backends.dns.coredns.observe import PROBE
from svcform.model.facts import Facts
from svcform.model.settings import Settings
from svcform.policy.intent import Intent, PortGroup

#: As ``ss -H -lntup`` prints them: systemd-resolved's stub is on two addresses of the loopback.
RESOLVED = (
    'udp UNCONN 0 0 127.0.0.53%lo:53 0.0.0.0:* users:(("systemd-resolve",pid=91,fd=13))',
    'tcp LISTEN 0 4096 127.0.0.54%lo:53 0.0.0.0:* users:(("systemd-resolve",pid=91,fd=16))',
)
OTHERS = 'udp UNCONN 0 0 {}:53 0.0.0.0:* users:(("dnsmasq",pid=44,fd=5))'


def said(sockets, *listen, running="7"):
    lines = ["tool\tcoredns", "tool\tbash", f"process\t{running}"]
    text = "".join(f"{line}\n" for line in (*lines, *(f"socket\t{found}" for found in sockets)))
    nothing = PortGroup(())
    intent = Intent(
        node_name="n1",
        settings=Settings(dns=True, dns_listen=listen),
        common=nothing,
        own=nothing,
        cluster_ips=(),
        hairpin=(),
        health_check_node_ports=(),
    )
    reading = Reading(status=Status.READ, output=text.encode())
    found = COREDNS.caveats({PROBE: reading}, Facts(), intent)
    return [(each.code, each.detail) for each in found]


def test_the_stub_of_systemd_resolved_is_in_nobodys_way():
    assert said(RESOLVED, "192.0.2.1", "2001:db8::1", "169.254.20.10") == []


def test_it_is_where_somebody_wants_its_address():
    ((code, detail),) = said(RESOLVED, "127.0.0.53")

    assert code == "SVC464"
    assert "systemd-resolve (process 91) has port 53 of 127.0.0.53" in detail


@pytest.mark.parametrize(
    ("held", "listen", "taken"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.9", "192.0.2.1", False),
        ("0.0.0.0", "192.0.2.1", True),
        ("0.0.0.0", "2001:db8::1", False),
        ("[::]", "2001:db8::1", True),
        ("[::]", "192.0.2.1", False),
        ("::", "192.0.2.1", True),
        ("*", "192.0.2.1", True),
        ("*", "2001:db8::1", True),
        ("[::ffff:192.0.2.1]", "192.0.2.1", True),
        ("[2001:db8::1]", "2001:db8::1", True),
        ("[fe80::1]%eth0", "2001:db8::1", False),
    ],
)
def test_an_address_is_taken_by_its_holder_or_by_one_of_all_addresses(held, listen, taken):
    assert [code for code, _ in said([OTHERS.format(held)], listen)] == ["SVC464"] * taken


def test_coredns_itself_is_no_other():
    assert said([OTHERS.format("192.0.2.1")], "192.0.2.1", running="44") == []
