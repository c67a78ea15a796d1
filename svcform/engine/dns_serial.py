"""One serial for the whole fleet: the highest that any node of the run has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from svcform.backends.contract import Reading
from svcform.backends.dns.coredns import observe
from svcform.engine.observe import Observation
from svcform.errors import NodeError, ReadingFailed
from svcform.lang.zone.serial import highest


def with_dns_serial(
    observations: Mapping[str, Observation | NodeError],
) -> Mapping[str, Observation | NodeError]:
    """The observations, and in each one's facts the highest serial of them all."""
    seen = {name: o for name, o in observations.items() if isinstance(o, Observation)}
    found = highest(_serial(observation.readings) for observation in seen.values())
    if not found:
        return observations
    told = {name: replace(o, facts=replace(o.facts, dns_serial=found)) for name, o in seen.items()}
    return {**observations, **told}


def _serial(readings: Mapping[str, Reading]) -> int:
    try:
        return observe.serial(readings)
    except ReadingFailed:
        return 0  # the plan of its node says so
