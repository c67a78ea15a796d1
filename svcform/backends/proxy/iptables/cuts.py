"""What our rules would do to connections that have to stay possible."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from svcform.backends.contract import Cut
from svcform.backends.proxy.iptables.objects import (
    FAMILY_WORDS,
    TOOL_PREFIXES,
    Chain,
    Jumps,
    address,
)
from svcform.backends.proxy.iptables.tools import variant_of
from svcform.lang import spans
from svcform.lang.iptables.follow import Fate, Host, Packet, Place
from svcform.lang.spans import Spans
from svcform.model.facts import Facts
from svcform.model.flow import Flow
from svcform.model.net import Family, endpoint_text, family_of
from svcform.plan.snapshot import Snapshot

_LOOPBACK = {Family.IPV4: "127.0.0.0/8", Family.IPV6: "::1/128"}
_ANY_PORT: Spans = ((1, 65535),)
_EFFECTS = {"DROP": "be dropped", "REJECT": "be refused"}


def find_cut(wanted: Snapshot, flow: Flow, facts: Facts) -> Cut | None:
    """The rule that sends a first packet elsewhere, or drops or rejects it, or an answer."""
    if not wanted:
        return None
    host = host_of(wanted, facts, flow.family)
    source, target = spans.of_cidr(flow.source), spans.of_cidr(flow.address)
    port = ((flow.port, flow.port),)
    protocol = flow.protocol.value.lower()
    for sources in _alike(source, host.local):
        first = Packet(protocol, sources, target, port, target, port)
        answer = Packet(
            protocol, target, sources, _ANY_PORT, target, port, frozenset({"ESTABLISHED"})
        )
        for packet, is_answer in ((first, False), (answer, True)):
            for fate in host.follow(packet):
                if place := fate.translated or (fate.decided if fate.verdict in _EFFECTS else None):
                    hit = fate.packet.destination if is_answer else fate.packet.source
                    return _cut(
                        place, fate, spans.first(hit, source, flow.family.bits), flow.family
                    )
    return None


def host_of(wanted: Snapshot, facts: Facts, family: Family) -> Host:
    """The node with the wanted rules of one family, to follow packets through."""
    variant, word = variant_of(facts), FAMILY_WORDS[family]

    def chains(table: str, chain: str) -> Sequence[str]:
        found = wanted.get(address(variant, word, table, chain))
        return found.rules if isinstance(found, Chain | Jumps) else ()

    own = (a.address for a in facts.addresses if family_of(a.address) is family)
    return Host(chains=chains, local=spans.of_addresses((*own, _LOOPBACK[family])))


def _alike(source: Spans, local: Spans) -> Iterator[Spans]:
    """The sources elsewhere and those on the node itself: they enter by different hooks."""
    for part in (spans.without(source, local), spans.meet(source, local)):
        if part:
            yield part


def _cut(place: Place, fate: Fate, sources: str, family: Family) -> Cut:
    effect = _EFFECTS.get(fate.verdict, "")
    if fate.translated:
        ((number, _),) = fate.packet.destination
        ((port, _),) = fate.packet.ports
        host = next(spans.cidrs(((number, number),), family.bits))
        effect = f"go to {endpoint_text(host, port)} instead"
    tool = TOOL_PREFIXES[FAMILY_WORDS[family]]
    return Cut(effect=effect, rule=f"{tool} {place}", sources=sources)
