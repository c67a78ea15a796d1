"""Follow packets through rules: what becomes of them, and by which rule.

Packets that are alike are followed together, as a set; a rule that takes some of them splits it.
Where chance or memory decides (``statistic``, ``recent``) both ways are followed.  Only the chains
that a packet comes through are looked at, so a walk is short however many there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, Protocol

from svcform.lang import spans
from svcform.lang.iptables import rule as r
from svcform.lang.iptables.read import read
from svcform.lang.spans import Spans


class Packet(NamedTuple):
    """Packets of one family that are alike.

    ``protocol`` is ``tcp``, ``udp`` or ``sctp``, ``ports`` are destination ports.  ``states`` are
    those of the connection in conntrack's words, ``original`` and ``original_ports`` what its first
    packet was sent to.
    """

    protocol: str
    source: Spans
    destination: Spans
    ports: Spans
    original: Spans
    original_ports: Spans
    states: frozenset[str] = frozenset({"NEW"})
    mark: int = 0


class Place(NamedTuple):
    """A rule, where it is, and what it says."""

    table: str
    chain: str
    rule: str

    def __str__(self) -> str:
        return f"-t {self.table} -A {self.chain} {self.rule}"


class Fate(NamedTuple):
    """What becomes of packets: ACCEPT, DROP or REJECT.

    ``decided`` is the rule that did it, ``translated`` the one that sent them elsewhere; None where
    no rule did.
    """

    verdict: str
    packet: Packet
    decided: Place | None = None
    translated: Place | None = None


class Chains(Protocol):
    """The rules of a chain, each as it stands behind ``-A CHAIN``; none for a chain without any."""

    def __call__(self, table: str, chain: str, /) -> Sequence[str]:
        """``chains("nat", "PREROUTING")``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The rules of a host, and the addresses that are its own."""

    chains: Chains
    local: Spans

    def follow(self, packet: Packet) -> Iterator[Fate]:
        """All that may become of packets, which are all from here or all from elsewhere."""
        is_from_here = bool(spans.meet(packet.source, self.local))
        first = "OUTPUT" if is_from_here else "PREROUTING"
        for step in self._nat(first, packet):
            yield from self._filter(step, is_from_here=is_from_here)

    def _nat(self, hook: str, packet: Packet) -> Iterator[Fate]:
        # Only a connection's first packet meets nat; the others follow it.
        if "NEW" not in packet.states:
            yield Fate("ACCEPT", packet)
            return
        for step in self._walk("nat", hook, packet):
            is_elsewhere = step.packet.destination != packet.destination or (
                step.packet.ports != packet.ports
            )
            if is_elsewhere:
                states = step.packet.states | {"DNAT"}
                yield Fate("ACCEPT", step.packet._replace(states=states), None, step.decided)
            else:
                yield Fate("ACCEPT", step.packet)

    def _filter(self, found: Fate, *, is_from_here: bool) -> Iterator[Fate]:
        if is_from_here:
            hooks = ["OUTPUT"]
            if spans.meet(found.packet.destination, self.local):
                hooks.append("INPUT")
        else:
            is_to_here = bool(spans.meet(found.packet.destination, self.local))
            hooks = ["INPUT" if is_to_here else "FORWARD"]
        going_on = [found.packet]
        for hook in hooks:
            passed = []
            for packet in going_on:
                for step in self._walk("filter", hook, packet):
                    if step.verdict in {"ACCEPT", "RETURN"}:
                        passed.append(step.packet)
                    else:
                        yield step._replace(translated=found.translated)
            going_on = list(dict.fromkeys(passed))
        for packet in going_on:
            yield found._replace(packet=packet)

    def _walk(self, table: str, chain: str, packet: Packet) -> Iterator[Fate]:
        """What becomes of packets in a chain; RETURN for those that come to its end."""
        waiting = [packet]
        for text in self.chains(table, chain):
            rule = _parsed(text)
            going_on: list[Packet] = []
            for each in waiting:
                taken, left = _split(rule, each, self.local)
                going_on += left
                if taken is None:
                    continue
                for step in self._act(Place(table, chain, text), rule.target, taken):
                    if step.verdict == "CONTINUE":
                        going_on.append(step.packet)
                    else:
                        yield step
            waiting = list(dict.fromkeys(going_on))
        for each in waiting:
            yield Fate("RETURN", each)

    def _act(self, place: Place, target: r.Target, packet: Packet) -> Iterator[Fate]:
        """What a rule does with the packets that it takes."""
        match target:
            case r.Goto(chain=chain):
                yield from self._walk(place.table, chain, packet)
            case r.Verdict(name="ACCEPT" | "DROP" | "RETURN" as name):
                yield Fate(name, packet, place)
            case r.Verdict(name=chain):
                for step in self._walk(place.table, chain, packet):
                    is_back = step.verdict == "RETURN"
                    yield Fate("CONTINUE", step.packet) if is_back else step
            case r.Reject():
                yield Fate("REJECT", packet, place)
            case r.SetMark(value=value, mask=mask):
                yield Fate("CONTINUE", packet._replace(mark=packet.mark & ~mask ^ value))
            case r.Dnat(address=address, port=port):
                sent = packet._replace(destination=spans.of_cidr(address), ports=((port, port),))
                yield Fate("ACCEPT", sent, place)
            case _:
                yield Fate("ACCEPT", packet, place)


@lru_cache(maxsize=65536)
def _parsed(text: str) -> r.Rule:
    return read(text)


def _split(rule: r.Rule, packet: Packet, local: Spans) -> tuple[Packet | None, list[Packet]]:
    """The packets that a rule takes, and those that it leaves."""
    left: list[Packet] = []
    taken: Packet | None = packet
    for condition in _conditions(rule):
        if taken is None:
            break
        taken, other = condition(taken, local)
        if other is not None:
            left.append(other)
    return taken, left


_Halves = tuple[Packet | None, Packet | None]


class _Condition(Protocol):
    def __call__(self, packet: Packet, local: Spans, /) -> _Halves: ...


@lru_cache(maxsize=65536)
def _conditions(rule: r.Rule) -> tuple[_Condition, ...]:
    """What has to hold, as functions from packets to those for which it does and the others."""
    found: list[_Condition] = []
    if rule.protocol:
        found.append(lambda packet, _: _if(packet, holds=packet.protocol == rule.protocol))
    if rule.destination:
        found.append(_within("destination", spans.of_cidr(rule.destination)))
    if rule.source:
        inside = _within("source", spans.of_cidr(rule.source))
        found.append(_not(inside) if rule.source_negated else inside)
    for match in rule.matches:
        found += _of_match(match)
    return tuple(found)


def _of_match(match: r.Match) -> Iterator[_Condition]:
    match match:
        case r.Port(low=low, high=high):
            yield _within("ports", ((low, high),))
        case r.Mark(value=value, mask=mask, negated=negated):
            yield lambda packet, _: _if(packet, holds=(packet.mark & mask == value) != negated)
        case r.LocalSource():
            yield lambda packet, local: _cut(packet, "source", local)
        case r.InSet(negated=negated):
            # What is in sets is asked where they are known; here they are empty.
            yield lambda packet, _: _if(packet, holds=negated)
        case r.ConnectionMark(value=value):
            yield lambda packet, _: _if(packet, holds=value == 0)
        case r.Conntrack():
            yield from _of_conntrack(match)
        case r.Statistic() | r.Recent(seconds=int()):
            yield lambda packet, _: (packet, packet)
        case r.Recent():
            pass


def _of_conntrack(match: r.Conntrack) -> Iterator[_Condition]:
    if match.states:
        states, negated = frozenset(match.states), match.negated
        yield lambda packet, _: _if(packet, holds=bool(packet.states & states) != negated)
    if match.destination:
        yield _within("original", spans.of_cidr(match.destination))
    if match.ports:
        yield _within("original_ports", (match.ports,))


def _if(packet: Packet, *, holds: bool) -> _Halves:
    return (packet, None) if holds else (None, packet)


def _within(field: str, wanted: Spans) -> _Condition:
    return lambda packet, _: _cut(packet, field, wanted)


def _not(condition: _Condition) -> _Condition:
    def negated(packet: Packet, local: Spans) -> _Halves:
        inside, outside = condition(packet, local)
        return outside, inside

    return negated


def _cut(packet: Packet, field: str, wanted: Spans) -> _Halves:
    has: Spans = getattr(packet, field)
    inside, outside = spans.meet(has, wanted), spans.without(has, wanted)
    if not inside:
        return None, packet
    if not outside:
        return packet, None
    return _with(packet, field, inside), _with(packet, field, outside)


def _with(packet: Packet, field: str, value: Spans) -> Packet:
    return packet._replace(**{field: value})  # type: ignore[arg-type] # only fields of spans
