"""Looks at virtual services, sets and routing, and changes nothing by it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from svcform.backends.contract import Probe, Reading
from svcform.backends.proxy.ipvs import scripts
from svcform.backends.proxy.ipvs.objects import (
    FAMILY_WORDS,
    ROUTING,
    SET,
    SMALL,
    Elements,
    Routing,
    SetObject,
    VirtualService,
    address,
    drains,
    group_of,
    service_address,
)
from svcform.errors import ReadingFailed
from svcform.lang.ipset import save
from svcform.lang.ipset.names import PREFIX, Set
from svcform.lang.ipvs import listing
from svcform.lang.ipvs.service import AddressService, Caught, MarkedService, read_place
from svcform.model.net import Family
from svcform.plan.snapshot import NodeObject, ObjectAddress, Snapshot
from svcform.policy import marks

SERVICES, SETS, ROUTES = "ipvs.services", "ipvs.sets", "ipvs.routing"
_NUMBERS = {"4": Family.IPV4, "6": Family.IPV6}
#: A server at weight 0, or a virtual service that no server follows.
_UNFINISHED = re.compile(
    r"^server (\S+ \S+) \S+ \S+ 0$|^service (\S+ \S+) .*$(?!\nserver )", re.MULTILINE
)


def probes() -> tuple[Probe, ...]:
    """What the kernel has of each."""
    return (
        Probe(name=SERVICES, script=scripts.LIST_SERVICES),
        Probe(name=SETS, script=scripts.LIST_SETS),
        Probe(name=ROUTES, script=scripts.LIST_ROUTING),
    )


def read(readings: Mapping[str, Reading]) -> Snapshot:
    """All that is svcform's; what is leaving is no more."""
    found: dict[ObjectAddress, NodeObject] = {}
    sets = known_sets(readings)
    others = _without_end(sets)
    for caught, each in known_services(readings, sets):
        if each.servers:
            family = family_of(caught)
            found[service_address(FAMILY_WORDS[family], caught)] = VirtualService(
                caught,
                each.scheduler,
                each.seconds,
                tuple(sorted(each.servers, key=lambda server: server.place)),
                each.flags,
                drains=drains(_protocol(caught, others), each.scheduler),
                listed=tuple(each.listed),
                leaving=tuple(each.leaving),
            )
    for saved in sets.values():
        found.update(_set_objects(saved))
    found.update(_routing(readings))
    return MappingProxyType(found)


def unfinished(readings: Mapping[str, Reading]) -> Iterator[Caught]:
    """Our virtual services that have a server at weight 0, or none."""
    text = _text(readings, SERVICES)
    places = {match[1] or match[2] for match in _UNFINISHED.finditer(text)}
    if places:
        for caught, found in known_services(readings, known_sets(readings)):
            if found.place in places:
                yield caught


def known_sets(readings: Mapping[str, Reading]) -> dict[str, save.Saved]:
    """Our sets, by name.  Raises :class:`ReadingFailed`."""
    try:
        found = save.parse(_text(readings, SETS))
    except ValueError as error:
        raise ReadingFailed(f"The listing of sets can't be understood: {error}.") from error
    return {name: saved for name, saved in found.items() if name.startswith(PREFIX)}


def known_services(
    readings: Mapping[str, Reading], sets: Mapping[str, save.Saved]
) -> Iterator[tuple[Caught, listing.Found]]:
    """Our virtual services: those with a mark of ours, and those in a set that says so."""
    recorded = _recorded(sets)
    for place, found in all_services(readings).items():
        caught = caught_of(place, found)
        is_ours = marks.has_list(caught.mark) if isinstance(caught, MarkedService) else False
        if is_ours or caught in recorded:
            yield caught, found


def all_services(readings: Mapping[str, Reading]) -> dict[str, listing.Found]:
    """Everybody's virtual services.  Raises :class:`ReadingFailed`."""
    try:
        return listing.parse(_text(readings, SERVICES))
    except (ValueError, KeyError, IndexError, ZeroDivisionError) as error:
        message = f"The listing of virtual services can't be understood: {error!r}."
        raise ReadingFailed(message) from error


def caught_of(place: str, found: listing.Found) -> Caught:
    """What a virtual service catches; of a mark that isn't ours, servers tell the family."""
    kind, _, rest = place.partition(" ")
    if kind != "FWM":
        return AddressService(kind, *read_place(rest))
    mark = int(rest, 16)
    is_six = bool(mark & marks.IPV6)
    if not marks.is_ours(mark):
        is_six = any(":" in server.address for server in found.servers)
    return MarkedService(mark, Family.IPV6 if is_six else Family.IPV4)


def family_of(caught: Caught) -> Family:
    """The family of what a virtual service catches."""
    if isinstance(caught, MarkedService):
        return caught.family
    return Family.IPV6 if ":" in caught.address else Family.IPV4


def _without_end(sets: Mapping[str, save.Saved]) -> frozenset[int]:
    """The numbers of Service ports that don't carry TCP: their connections have no end."""
    return frozenset(
        mark & marks.PORT
        for name, saved in sets.items()
        if name.endswith((f"-{Set.FRONTENDS.value}", f"-{Set.NODE_PORTS.value}"))
        for text in saved.elements
        if ",tcp:" not in text and (mark := save.mark_of(text)) is not None
    )


def _protocol(caught: Caught, others: frozenset[int]) -> str:
    if isinstance(caught, MarkedService):
        return "UDP or SCTP" if caught.mark & marks.PORT in others else "TCP"
    return caught.protocol


def _recorded(sets: Mapping[str, save.Saved]) -> frozenset[AddressService]:
    return frozenset(
        service
        for name, saved in sets.items()
        if name.endswith(f"-{Set.VIRTUAL.value}")
        for service in _recorded_services(saved.elements)
    )


def _recorded_services(elements: Iterable[str]) -> Iterator[AddressService]:
    """None of what a set of another type has, as somebody may have made it."""
    for element in elements:
        host, _, at = element.partition(",")
        protocol, _, port = at.partition(":")
        if port.isdecimal():
            yield AddressService(protocol.upper(), host, int(port))


def _set_objects(saved: save.Saved) -> Iterator[tuple[ObjectAddress, NodeObject]]:
    head = saved.head
    word = FAMILY_WORDS[_NUMBERS.get(head.name[len(PREFIX) : len(PREFIX) + 1], head.family)]
    kind = head.name[len(PREFIX) + 2 :]
    if kind in {each.value for each in SMALL}:
        yield address(word, SET, head.name), SetObject(head, tuple(sorted(saved.elements)))
        return
    yield address(word, SET, head.name), SetObject(head)
    if kind == Set.VIRTUAL.value:
        return
    grouped: dict[str, list[str]] = {}
    for element in saved.elements:
        grouped.setdefault(group_of(head.name, element), []).append(element)
    for key, elements in grouped.items():
        yield address(word, head.name, key), Elements(head.name, tuple(sorted(elements)))


def _routing(readings: Mapping[str, Reading]) -> Iterator[tuple[ObjectAddress, NodeObject]]:
    lines = _text(readings, ROUTES).splitlines()
    for number, family in _NUMBERS.items():
        parts = tuple(line[2:] for line in lines if line.startswith(f"{number} "))
        if parts:
            yield address(FAMILY_WORDS[family], ROUTING, "marks"), Routing(parts)


def _text(readings: Mapping[str, Reading], name: str) -> str:
    reading = readings.get(name)
    return reading.output.decode(errors="replace") if reading else ""
