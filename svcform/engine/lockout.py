"""The lock-out proof: what a node's planned rules would do to the connections that must stay."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

from svcform.backends.contract import Backend, Cut
from svcform.model.facts import Facts
from svcform.model.flow import Flow
from svcform.model.net import Protocol
from svcform.model.settings import Settings
from svcform.plan.services import ServiceRow
from svcform.plan.snapshot import Snapshot
from svcform.policy.intent import Intent, PortGroup
from svcform.policy.kept_flows import kept_flows


def find_cuts(
    intent: Intent, facts: Facts, wanted: Iterable[tuple[Backend, Snapshot]]
) -> tuple[str, ...]:
    """A sentence for each connection that the wanted state would cut, with the rule behind it."""
    sides = [(backend, snapshot) for backend, snapshot in wanted if snapshot]
    if not sides:
        return ()
    return tuple(_sentences(intent, facts, sides))


def find_recorded_cuts(
    settings: Settings, facts: Facts, rows: Iterable[ServiceRow]
) -> tuple[str, ...]:
    """The same of a state that only its table of Services is known of: whose frontend it would be.

    Which sources a frontend lets in is not in the table: it counts as open to all.
    """
    frontends = {(row.protocol, *_place(text)): row.name for row in rows for text in row.frontends}
    found: dict[tuple[Protocol, str, int], str] = {}
    for flow in kept_flows(settings, facts):
        for address in (flow.address, ""):
            if whose := frontends.get((flow.protocol.value, address, flow.port)):
                found.setdefault(
                    (flow.protocol, flow.address, flow.port),
                    f"{flow.name} ({flow}) would be taken, for it is a frontend of {whose}.",
                )
    return tuple(found.values())


def _place(text: str) -> tuple[str, int]:
    """Address and port of ``ClusterIP 10.96.0.10:80``; a node port has an empty address."""
    address, _, port = text.partition(" ")[2].rpartition(":")
    return address.strip("[]"), int(port) if port.isdecimal() else 0


def _sentences(
    intent: Intent, facts: Facts, sides: list[tuple[Backend, Snapshot]]
) -> Iterator[str]:
    said: set[tuple[Protocol, str, int]] = set()
    for flow in kept_flows(intent.settings, facts):
        target = (flow.protocol, flow.address, flow.port)
        if target in said:
            continue
        for backend, snapshot in sides:
            if cut := backend.find_cut(snapshot, flow, facts):
                said.add(target)
                yield _sentence(intent, flow, cut)
                break


def _sentence(intent: Intent, flow: Flow, cut: Cut) -> str:
    hit = f" from {cut.sources}" if cut.sources else ""
    names = [
        found
        for group in (intent.common, intent.own)
        for address in (flow.address, "")
        if (found := _frontends(group).get((flow.protocol, address, flow.port)))
    ]
    whose = f", for it is a frontend of {names[0]}" if names else ""
    return f"{flow.name} ({flow}){hit} would {cut.effect}{whose}. The rule is: {cut.rule}"


@lru_cache(maxsize=64)
def _frontends(group: PortGroup) -> Mapping[tuple[Protocol, str, int], str]:
    """Whose an address and port is; a node port has an empty address."""
    return {
        (frontend.protocol, frontend.address or "", frontend.port): port.name
        for port in group.ports
        for frontend in port.frontends
    }
