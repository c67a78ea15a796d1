"""Foreign virtual services where ours are to be, or that look like ours: found before the apply."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from svcform.backends.contract import Reading
from svcform.backends.proxy.ipvs.observe import all_services, caught_of, known_services, known_sets
from svcform.diagnostics import Diagnostic, Severity
from svcform.lang.ipset.save import Saved, mark_of
from svcform.lang.ipvs.listing import Found
from svcform.lang.ipvs.service import AddressService, Caught, MarkedService
from svcform.model.net import endpoint_text
from svcform.policy import marks
from svcform.policy.intent import Frontend, Intent


def caveats(readings: Mapping[str, Reading], intent: Intent) -> tuple[Diagnostic, ...]:
    """All that stands in the way."""
    sets = known_sets(readings)
    known = list(known_services(readings, sets))
    ours = {caught for caught, _ in known}
    foreign = {caught_of(place, found) for place, found in all_services(readings).items()} - ours
    taken = {found for found in foreign if isinstance(found, AddressService)}
    lookalikes = _unknown(known, sets, intent)
    return (*(_taken(taken, intent) if taken else ()), *lookalikes)


def _unknown(
    known: Iterable[tuple[Caught, Found]], sets: Mapping[str, Saved], intent: Intent
) -> Iterator[Diagnostic]:
    """What has a mark like ours and takes connections, though none of our sets leads there."""
    wanted = frozenset(marks.marks_of(intent.common, intent.own).by_name.values())
    left = [
        caught
        for caught, found in known
        if isinstance(caught, MarkedService)
        and found.servers
        and caught.mark & marks.PORT not in wanted
    ]
    led = _led(sets) if left else frozenset()
    for caught in left:
        if caught.mark & marks.PORT not in led:
            yield _looks_like_ours(caught, intent.node_name)


def _led(sets: Mapping[str, Saved]) -> frozenset[int]:
    """The numbers of Service ports that elements lead to."""
    found = (mark_of(text) for saved in sets.values() for text in saved.elements)
    return frozenset(mark & marks.PORT for mark in found if mark is not None)


def _looks_like_ours(caught: MarkedService, node: str) -> Diagnostic:
    return Diagnostic(
        "SVC424",
        Severity.WARNING,
        "A virtual service has a mark of svcform's, and nothing leads there",
        f"{node} has a virtual service {caught.write()} in IPVS, whose mark is one of svcform's, "
        "but no set of svcform's leads to it: svcform removes it. If it is somebody else's, give "
        "it a mark outside of 0x40000000 to 0x7fffffff.",
    )


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
