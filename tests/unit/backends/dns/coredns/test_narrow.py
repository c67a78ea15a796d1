"""``--target``: the names of the Services that somebody chose, and of no others."""

from __future__ import annotations

import pytest

from svcform.backends.dns.coredns import COREDNS
from svcform.backends.dns.coredns.objects import Running, Start, record_address
from svcform.model.zone import RecordSet, Soa

REVERSE = "10.in-addr.arpa."
EXTERNAL = "lb.svc.example.com."


def snapshot(origin, addresses):
    soa = Soa(primary=f"ns.dns.{origin}", mailbox=f"hostmaster.{origin}")
    found = {each.address: each for each in (Start(o, soa) for o in (origin, EXTERNAL, REVERSE))}
    found[Running().address] = Running()
    for service, last in addresses.items():
        name, reverse = f"{service}.shop.svc.{origin}", f"{last}.0.96.{REVERSE}"
        for zone, record in (
            (origin, RecordSet(name, "A", 5, (f"10.96.0.{last}",))),
            (origin, RecordSet(f"_http._tcp.{name}", "SRV", 5, (f"0 100 {last} {name}",))),
            (EXTERNAL, RecordSet(f"{service}.shop.{EXTERNAL}", "A", 5, (f"192.0.2.{last}",))),
            (REVERSE, RecordSet(reverse, "PTR", 5, (name,))),
        ):
            found[record_address(zone, record.name, record.type)] = record
    return found


@pytest.mark.parametrize("origin", ["cluster.local.", "svc.example.com."])
def test_only_names_of_the_chosen_services_change(origin):
    live, wanted = snapshot(origin, {"web": 1, "db": 2}), snapshot(origin, {"web": 7, "db": 8})

    narrowed = COREDNS.narrow(live, wanted, "shop/web".__eq__, destroy=False)

    assert narrowed == snapshot(origin, {"web": 7, "db": 2})
