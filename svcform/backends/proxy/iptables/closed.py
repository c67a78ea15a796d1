"""Firewalls that let in to the node only what they know: health checks have to be among that."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from svcform.backends.contract import Reading
from svcform.backends.proxy.iptables.checks.caveats import FOREIGN
from svcform.backends.proxy.iptables.objects import FAMILY_WORDS, PREFIX, TOOL_PREFIXES, Variant
from svcform.backends.proxy.iptables.observe import probe_name
from svcform.backends.proxy.iptables.tools import variant_of
from svcform.lang.nft.forward import closed_inputs
from svcform.model.facts import ClosedInput, Facts

#: Listings are long and mostly have none of these, so they are looked for in the text.
_CLOSES = re.compile(rb"^(?::INPUT DROP|-A INPUT -j (?:DROP|REJECT))", re.MULTILINE)
_LETS_IN = re.compile(r"^-A (\S+) .*-p tcp .*--dports? (\S+) .*-j ACCEPT", re.MULTILINE)
_SPAN = re.compile(r"(\d+)(?::(\d+))?")


def closed(readings: Mapping[str, Reading], facts: Facts) -> tuple[ClosedInput, ...]:
    """INPUT of iptables where it drops, and such chains of foreign nftables tables."""
    foreign = readings.get(FOREIGN)
    text = foreign.output.decode(errors="replace") if foreign else ""
    return (*_of_iptables(readings, facts), *closed_inputs(text))


def _of_iptables(readings: Mapping[str, Reading], facts: Facts) -> Iterator[ClosedInput]:
    for variant in Variant:
        for word in FAMILY_WORDS.values():
            reading = readings.get(probe_name(variant, word))
            _, _, table = (reading.output if reading else b"").partition(b"*filter\n")
            table = table.partition(b"\nCOMMIT\n")[0]
            if not _CLOSES.search(table):
                continue
            tool = f"{TOOL_PREFIXES[word]}-{variant.value}"
            yield ClosedInput(
                f"INPUT of {tool}",
                f"{tool} -w -I INPUT -p tcp -m multiport --dports ",
                " -j ACCEPT",
                tuple(_let_in(table.decode(errors="replace"))),
                has_jump=variant is variant_of(facts),
            )


def _let_in(table: str) -> Iterator[tuple[int, int]]:
    for chain, ports in _LETS_IN.findall(table):
        if not chain.startswith(PREFIX):  # what we let in may go with a change of mode
            for first, last in _SPAN.findall(ports):
                yield int(first), int(last or first)
