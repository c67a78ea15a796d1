"""What in a node's own state would defeat the Services: found before the apply, by name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from svcform.backends.contract import Probe, Reading
from svcform.backends.proxy.iptables.checks.marks import foreign_marks, foreign_marks_by_nft
from svcform.backends.proxy.iptables.checks.reloaders import reloaders
from svcform.backends.proxy.iptables.objects import (
    FAMILY_WORDS,
    TOOL_PREFIXES,
    Variant,
    is_ours,
)
from svcform.backends.proxy.iptables.observe import listing, probe_name
from svcform.backends.proxy.iptables.scripts import FOREIGN_TABLES
from svcform.backends.proxy.iptables.tools import OLDEST, variant_of, version_of
from svcform.diagnostics import Diagnostic, Severity
from svcform.lang.iptables.save import Table
from svcform.lang.nft.forward import FORWARDED, TAKEN_IN, Passage, foreign_drops, marked
from svcform.model.facts import Facts
from svcform.model.settings import ProxyMode
from svcform.policy import marks
from svcform.policy.intent import Intent

#: The probe of tables that nft has made.
FOREIGN = "iptables.nft.foreign"
_INCOMPATIBLE = re.compile(rb"^# Table `(nat|filter)' is incompatible", re.MULTILINE)


def probes() -> tuple[Probe, ...]:
    """What has to be seen besides the listings."""
    return (Probe(name=FOREIGN, script=FOREIGN_TABLES),)


def caveats(
    readings: Mapping[str, Reading], facts: Facts, intent: Intent
) -> tuple[Diagnostic, ...]:
    """All that stands in the way."""
    node = intent.node_name
    foreign = readings.get(FOREIGN)
    text = foreign.output.decode(errors="replace") if foreign else ""
    forwards = not intent.settings.proxy_mode.terminates
    return (
        *_too_old(facts, node),
        *_incompatible(readings, facts, node),
        *foreign_drops(text, node, _passages(intent.settings.proxy_mode)),
        *(_foreign_forward(readings, facts, node) if forwards else ()),
        *foreign_marks(readings, facts, intent),
        *foreign_marks_by_nft(text, intent),
        *reloaders(facts, node),
    )


def _passages(mode: ProxyMode) -> tuple[Passage, ...]:
    if mode is ProxyMode.NFTABLES:
        return ()  # that backend's own caveats tell it
    if mode is ProxyMode.IPVS:
        return marked(marks.FIRST, marks.OURS)
    return TAKEN_IN if mode.terminates else FORWARDED


def _too_old(facts: Facts, node: str) -> Iterator[Diagnostic]:
    version = version_of(facts)
    if version and version < OLDEST:
        found, oldest = (".".join(map(str, v)) for v in (version, OLDEST))
        yield Diagnostic(
            "SVC401",
            Severity.ERROR,
            "The node's iptables is too old",
            f"{node} has iptables {found}; svcform knows how {oldest} and later print their rules. "
            "Install a newer one.",
        )


def _incompatible(readings: Mapping[str, Reading], facts: Facts, node: str) -> Iterator[Diagnostic]:
    variant = variant_of(facts)
    for family in FAMILY_WORDS.values():
        reading = readings.get(probe_name(variant, family))
        output = reading.output if reading else b""
        # To look for plain text first is 20 times faster, and mostly all there is to do.
        for found in _INCOMPATIBLE.findall(output) if b"is incompatible" in output else ():
            table = found.decode()
            yield Diagnostic(
                "SVC405",
                Severity.ERROR,
                "Rules made by nft keep iptables out of a table",
                f"On {node} the table {family} {table} holds something that iptables can't read, "
                "and then it refuses to change it. Move what nft made to a table of its own; see "
                f"it by: nft list table {family} {table}",
            )


def _foreign_forward(
    readings: Mapping[str, Reading], facts: Facts, node: str
) -> Iterator[Diagnostic]:
    """FORWARD drops where ours can't accept: in the other variant, or above our jump."""
    wanted = variant_of(facts)
    for variant in Variant:
        for family in FAMILY_WORDS.values():
            table = listing(readings, variant, family).get("filter", Table())
            rules = table.chains.get("FORWARD", [])
            tool = f"{TOOL_PREFIXES[family]}-{variant.value}"
            closing = next((r for r in rules if r.startswith(("-j DROP", "-j REJECT"))), "")
            is_policy = table.policies.get("FORWARD") == "DROP"
            if variant is not wanted and (closing or is_policy):
                yield _forward_drops(node, tool, closing or "-P FORWARD DROP")
            elif closing and any(is_ours(r) for r in rules[rules.index(closing) :]):
                yield _forward_drops(node, tool, closing)


def _forward_drops(node: str, tool: str, rule: str) -> Diagnostic:
    return Diagnostic(
        "SVC403",
        Severity.WARNING,
        "A foreign rule in FORWARD drops what Services need",
        f"On {node} {tool} has in FORWARD: {rule}. Rules of svcform's can't outrank it. Let "
        f"translated connections through: {tool} -w -I FORWARD -m conntrack --ctstate DNAT "
        "-j ACCEPT",
    )
