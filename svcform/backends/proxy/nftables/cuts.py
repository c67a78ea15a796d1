"""What our tables would do to connections that have to stay possible.

Only a connection's first packet meets them: every rule but those of translation itself begins with
``ct state new``.  So its answers always get through.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from svcform.backends.contract import Cut
from svcform.backends.proxy.nftables.ids import (
    LIMITED,
    LOCAL_LIST,
    PORT_BITS,
    TREATMENT_BITS,
    Treatment,
)
from svcform.backends.proxy.nftables.objects import (
    CLUSTER_IPS,
    ENDPOINTS,
    FAMILY_WORDS,
    FRONTENDS,
    LIST,
    NODE_PORT_ADDRESSES,
    NODE_PORTS,
    POD_CIDRS,
    RANGES,
    SERVICE_CIDRS,
    SET,
    Declared,
    Elements,
    address,
)
from svcform.lang import spans
from svcform.lang.nft.numbers import handle, number
from svcform.lang.spans import Spans
from svcform.model.facts import Facts
from svcform.model.flow import Flow
from svcform.model.net import Family, endpoint_text, family_of
from svcform.plan.snapshot import Snapshot

_LOOPBACK = {Family.IPV4: "127.0.0.0/8", Family.IPV6: "::1/128"}
_LOCAL_LISTS = frozenset(
    {Treatment.LOCAL, Treatment.LOCAL_UNLESS_LOCAL_POD, Treatment.LOCAL_MASQUERADED}
)


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
    value, rule = found
    source: Spans = spans.of_cidr(flow.source)
    refused: Spans = ()
    if value & LIMITED:
        allowed = view.allowed(value)
        refused, source = spans.without(source, allowed), spans.meet(source, allowed)
    if refused:
        yield refused, "be dropped", rule
    if not source:
        return
    if value & TREATMENT_BITS == Treatment.REJECT:
        yield source, "be refused", rule
        return
    for part, number_of_list in view.lists(value, source):
        for effect in view.destinations(number_of_list):
            yield part, effect, rule


class _View:
    """The wanted objects of a flow's family, as its first packet meets them."""

    def __init__(self, wanted: Snapshot, flow: Flow, facts: Facts) -> None:
        self._wanted, self._flow, self._facts = wanted, flow, facts
        self._family = FAMILY_WORDS[flow.family]

    def frontend(self) -> tuple[int, str] | None:
        """The number of the frontend that catches it, and the element that says so."""
        at = f"{self._flow.protocol.value.lower()} . {self._flow.port}"
        places = [(FRONTENDS, f"{self._flow.address} . {at}")]
        if self._flow.address in self._small(NODE_PORT_ADDRESSES):
            places.append((NODE_PORTS, at))
        for name, key in places:
            found = self._wanted.get(address(self._family, name, key))
            if isinstance(found, Elements):
                ((_, element),) = found.items
                return number(element.rpartition(" : ")[2]), self._said(name, element)
        return None

    def without_frontend(self) -> tuple[Spans, str, str]:
        """What becomes of a packet that no frontend catches."""
        source, where = spans.of_cidr(self._flow.source), self._flow.address
        if address(self._family, CLUSTER_IPS, where) in self._wanted:
            return source, "be refused", self._said(CLUSTER_IPS, where)
        for cidr in self._small(SERVICE_CIDRS):
            if ipaddress.ip_address(where) in ipaddress.ip_network(cidr):
                return source, "be dropped", self._said(SERVICE_CIDRS, cidr)
        return source, "", ""

    def allowed(self, value: int) -> Spans:
        """The sources that a frontend lets in."""
        found = self._wanted.get(address(self._family, RANGES, handle(value)))
        items = found.items if isinstance(found, Elements) else ()
        return spans.of_addresses(element.partition(" . ")[2] for _, element in items)

    def lists(self, value: int, source: Spans) -> Iterator[tuple[Spans, int]]:
        """Which sources get which list."""
        treatment, cluster = value & TREATMENT_BITS, value & PORT_BITS
        if treatment != Treatment.EXTERNAL_LOCAL:
            yield source, cluster | (LOCAL_LIST if treatment in _LOCAL_LISTS else 0)
            return
        own = (
            a.address for a in self._facts.addresses if family_of(a.address) is self._flow.family
        )
        near = spans.of_addresses((*own, _LOOPBACK[self._flow.family], *self._small(POD_CIDRS)))
        if inside := spans.meet(source, near):
            yield inside, cluster
        if outside := spans.without(source, near):
            yield outside, cluster | LOCAL_LIST

    def destinations(self, number_of_list: int) -> Iterator[str]:
        """What becomes of packets that go to a list."""
        found = self._wanted.get(address(self._family, LIST, handle(number_of_list)))
        if not isinstance(found, Elements):
            yield "be dropped"
            return
        for name, element in found.items:
            if name.endswith(ENDPOINTS):
                where, _, port = element.rpartition(" : ")[2].partition(" . ")
                if (where, int(port)) != (self._flow.address, self._flow.port):
                    yield f"go to {endpoint_text(where, int(port))} instead"
                else:
                    yield ""

    def _small(self, name: str) -> tuple[str, ...]:
        found = self._wanted.get(address(self._family, SET, name))
        return found.elements if isinstance(found, Declared) else ()

    def _said(self, name: str, element: str) -> str:
        return f"nft element {self._family} svcform {name} {{ {element} }}"
