"""What our sets would do to connections that have to stay possible.

Only a connection's first packet is looked up: its answers always get through.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from svcform.backends.contract import Cut
from svcform.backends.proxy.ipvs.objects import (
    FAMILY_WORDS,
    SET,
    Elements,
    SetObject,
    VirtualService,
    address,
    service_address,
)
from svcform.lang import spans
from svcform.lang.ipset.names import HALVES, Set
from svcform.lang.ipset.save import mark_of
from svcform.lang.ipvs.service import AddressService, Caught, MarkedService
from svcform.lang.spans import Spans
from svcform.model.facts import Facts
from svcform.model.flow import Flow
from svcform.model.net import Family, endpoint_text, family_of
from svcform.plan.snapshot import Snapshot
from svcform.policy import marks

_LOOPBACK = {Family.IPV4: "127.0.0.0/8", Family.IPV6: "::1/128"}


def find_cut(wanted: Snapshot, flow: Flow, facts: Facts) -> Cut | None:
    """The element that sends a first packet elsewhere, or drops or rejects it."""
    source = spans.of_cidr(flow.source)
    for hit, effect, rule in fates(wanted, flow, facts):
        if effect:
            return Cut(effect=effect, rule=rule, sources=spans.first(hit, source, flow.family.bits))
    return None


def fates(wanted: Snapshot, flow: Flow, facts: Facts) -> Iterator[tuple[Spans, str, str]]:
    """What becomes of a flow's first packets: the sources, the effect, the element that does it.

    The effect is empty where they get through as they are.
    """
    if not wanted:
        return
    view = _View(wanted, flow, facts)
    found = view.frontend()
    if found is None:
        yield view.without_frontend()
        return
    text, outside, inside = found
    source: Spans = spans.of_cidr(flow.source)
    refused: Spans = ()
    if outside & marks.LIMITED:
        allowed = view.allowed()
        refused, source = spans.without(source, allowed), spans.meet(source, allowed)
    if refused:
        yield refused, "be dropped", text
    near = view.near() if inside is not None else ()
    for part, mark in ((spans.meet(source, near), inside), (spans.without(source, near), outside)):
        if part and mark is not None:
            for effect in view.effects(mark):
                yield part, effect, text


class _View:
    """The wanted objects of a flow's family, as its first packet meets them."""

    def __init__(self, wanted: Snapshot, flow: Flow, facts: Facts) -> None:
        self._wanted, self._flow, self._facts = wanted, flow, facts
        self._word = FAMILY_WORDS[flow.family]
        self._at = f"{flow.protocol.value.lower()}:{flow.port}"

    def frontend(self) -> tuple[str, int, int | None] | None:
        """The element that catches it, with its mark and that for the node's own packets."""
        places = [(self._flow.address, Set.FRONTENDS, Set.INSIDE)]
        if self._flow.address in self._small(Set.NODE_PORT_ADDRESSES):
            low, high = HALVES[self._flow.family]
            is_low = ipaddress.ip_address(self._flow.address) in ipaddress.ip_network(low)
            half = low if is_low else high
            places.append((half, Set.NODE_PORTS, Set.INSIDE_NODE_PORTS))
        for place, outside, inside in places:
            text, mark = self._mark(outside, place)
            if mark is not None:
                return text, mark, self._mark(inside, place)[1]
        return None

    def without_frontend(self) -> tuple[Spans, str, str]:
        """What becomes of a packet that no frontend catches."""
        source, where = spans.of_cidr(self._flow.source), self._flow.address
        name = Set.CLUSTER_IPS.name_in(self._flow.family)
        if address(self._word, name, where) in self._wanted:
            return source, "be refused", f"ipset add {name} {where}"
        for cidr in self._small(Set.SERVICE_CIDRS):
            if ipaddress.ip_address(where) in ipaddress.ip_network(cidr):
                name = Set.SERVICE_CIDRS.name_in(self._flow.family)
                return source, "be dropped", f"ipset add {name} {cidr}"
        return source, "", ""

    def allowed(self) -> Spans:
        """The sources that the frontend lets in."""
        name = Set.SOURCES.name_in(self._flow.family)
        found = self._wanted.get(address(self._word, name, f"{self._flow.address},{self._at}"))
        texts = found.elements if isinstance(found, Elements) else ()
        return spans.of_addresses(text.rpartition(",")[2] for text in texts)

    def near(self) -> Spans:
        """The node itself and its own pods."""
        family = self._flow.family
        own = (a.address for a in self._facts.addresses if family_of(a.address) is family)
        return spans.of_addresses((*own, _LOOPBACK[family], *self._small(Set.PODS)))

    def effects(self, mark: int) -> Iterator[str]:
        """What becomes of packets with a mark."""
        if mark & marks.TREATMENT == marks.TREATMENT:
            yield "be dropped" if mark & marks.LOCAL_LIST else "be refused"
            return
        number = mark & ~marks.FLAGS
        flow = self._flow
        caught: Caught = MarkedService(number, flow.family)
        if number == marks.FIRST:
            caught = AddressService(flow.protocol.value, flow.address, flow.port)
        found = self._wanted.get(service_address(self._word, caught))
        for server in found.servers if isinstance(found, VirtualService) else ():
            is_there = (server.address, server.port) == (flow.address, flow.port)
            to = endpoint_text(server.address, server.port)
            yield "" if is_there else f"go to {to} instead"

    def _mark(self, wanted: Set, place: str) -> tuple[str, int | None]:
        name = wanted.name_in(self._flow.family)
        found = self._wanted.get(address(self._word, name, f"{place},{self._at}"))
        if not isinstance(found, Elements):
            return "", None
        return f"ipset {found.lines()[0]}", mark_of(found.elements[0])

    def _small(self, wanted: Set) -> tuple[str, ...]:
        name = wanted.name_in(self._flow.family)
        found = self._wanted.get(address(self._word, SET, name))
        return found.elements if isinstance(found, SetObject) else ()
