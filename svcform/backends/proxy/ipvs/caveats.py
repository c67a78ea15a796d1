"""Foreign virtual services where ours are to be: found before the apply, by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from svcform.backends.contract import Reading
from svcform.backends.proxy.ipvs.observe import all_services, caught_of, known_services, known_sets
from svcform.diagnostics import Diagnostic, Severity
from svcform.lang.ipvs.service import AddressService
from svcform.model.net import endpoint_text
from svcform.policy import marks
from svcform.policy.intent import Frontend, Intent


def caveats(readings: Mapping[str, Reading], intent: Intent) -> tuple[Diagnostic, ...]:
    """All that stands in the way."""
    ours = {caught for caught, _ in known_services(readings, known_sets(readings))}
    foreign = {caught_of(place, found) for place, found in all_services(readings).items()} - ours
    taken = {found for found in foreign if isinstance(found, AddressService)}
    return tuple(_taken(taken, intent)) if taken else ()


def _taken(foreign: set[AddressService], intent: Intent) -> Iterator[Diagnostic]:
    for group in (intent.common, intent.own):
        for port in group.ports:
            for frontend in port.frontends:
                found = _at(foreign, frontend)
                if found is not None:
                    yield _found(found, port.name, intent.node_name, frontend)


def _at(foreign: set[AddressService], frontend: Frontend) -> AddressService | None:
    for each in foreign:
        here = frontend.address is None or frontend.address == each.address
        if here and (each.protocol, each.port) == (frontend.protocol.value, frontend.port):
            return each
    return None


def _found(found: AddressService, name: str, node: str, frontend: Frontend) -> Diagnostic:
    where = endpoint_text(found.address, found.port)
    is_sticky = marks.is_sticky(frontend.routes[-1])
    what = "svcform's marks come first, and it gets nothing there any more"
    if is_sticky:
        what = "with session affinity svcform needs one of its own there"
    return Diagnostic(
        "SVC422",
        Severity.ERROR if is_sticky else Severity.WARNING,
        "Somebody else has a virtual service where a Service is to be",
        f"{node} has a virtual service {found.protocol.lower()} {where} in IPVS that is not "
        f"svcform's, and {name} is to be there, too: {what}. Remove the one or the other.",
    )
