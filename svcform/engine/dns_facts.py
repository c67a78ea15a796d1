"""What all nodes' name servers tell before any node is planned: one serial for the whole fleet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from svcform.backends.contract import Reading
from svcform.backends.dns.coredns import observe
from svcform.backends.dns.coredns.resolver import read_resolver
from svcform.backends.host.observe import own_addresses
from svcform.engine.observe import Observation
from svcform.errors import NodeError, ReadingFailed
from svcform.lang.zone.serial import highest


def with_dns_facts(
    observations: Mapping[str, Observation | NodeError],
) -> Mapping[str, Observation | NodeError]:
    """The observations with two more facts: the highest serial of them all, and the resolver.

    Addresses that svcform gave a node so that CoreDNS can bind them are none of the node's.
    """
    seen = {name: o for name, o in observations.items() if isinstance(o, Observation)}
    found = highest(_serial(observation.readings) for observation in seen.values())
    return {**observations, **{name: _told(o, found) for name, o in seen.items()}}


def _told(observation: Observation, serial: int) -> Observation:
    resolver = read_resolver(observation.readings)
    facts, own = observation.facts, own_addresses(observation.readings)
    addresses = tuple(a for a in facts.addresses if not (own and a.address in own))
    told = replace(facts, dns_serial=serial, resolver=resolver, addresses=addresses)
    return replace(observation, facts=told)


def _serial(readings: Mapping[str, Reading]) -> int:
    try:
        return observe.serial(readings)
    except ReadingFailed:
        return 0  # the plan of its node says so
