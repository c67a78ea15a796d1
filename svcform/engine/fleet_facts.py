"""What no node knows by itself: one serial of DNS zones for the whole fleet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from svcform.engine.observe import Observation
from svcform.errors import NodeError
from svcform.lang.zone.serial import highest


def with_fleet_facts(
    observations: Mapping[str, Observation | NodeError],
) -> Mapping[str, Observation | NodeError]:
    """The observations, each with the highest serial of them all."""
    seen = {name: o for name, o in observations.items() if isinstance(o, Observation)}
    found = highest(o.facts.dns_serial for o in seen.values())
    told = {
        name: replace(o, facts=replace(o.facts, dns_serial=found))
        for name, o in seen.items()
        if o.facts.dns_serial != found
    }
    return {**observations, **told}
