"""Foreign rules that use the marks of packets and connections which svcform uses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from svcform.backends.contract import Reading
from svcform.backends.proxy.iptables.objects import FAMILY_WORDS, PREFIX
from svcform.backends.proxy.iptables.observe import listing
from svcform.backends.proxy.iptables.tools import variant_of
from svcform.diagnostics import Diagnostic, Severity
from svcform.lang.iptables.save import Table
from svcform.lang.nft.marks import foreign_uses, leading_astray
from svcform.model.facts import Facts
from svcform.model.settings import ProxyMode
from svcform.policy import marks
from svcform.policy.intent import Intent

_MARK = re.compile(r"--(?:set-xmark|set-mark|or-mark|mark|restore-mark --nfmask)[ =](\S+)")
#: What is written to a connection's mark, or from there to a packet's.
_CONNECTION_MARK = re.compile(
    r"-j CONNMARK --(?:set-xmark [^/ ]+/?|(?:save|restore)-mark --nfmask )(\S*)(?: --ctmask (\S+))?"
)
#: Chains that no packet comes through between its mark and IPVS.
_BEHIND = frozenset({"FORWARD", "POSTROUTING"})
_WHOLE = 0xFFFFFFFF


def foreign_marks(
    readings: Mapping[str, Reading], facts: Facts, intent: Intent
) -> Iterator[Diagnostic]:
    """The first such rule of each table; in mode ipvs those that would lead packets astray."""
    leads = intent.settings.proxy_mode is ProxyMode.IPVS
    bit, variant = intent.settings.masquerade_mark, variant_of(facts)
    for family in FAMILY_WORDS.values():
        for name, table in listing(readings, variant, family).items():
            where = f"{family} {name}"
            rules = _foreign_rules(table)
            if leads:
                rule = next((r for c, r in rules if _leads_astray(name, c, r, bit)), "")
            else:
                rule = next((r for _, r in rules if _touches(r, bit)), "")
            if rule:
                tell = _led_astray if leads else _bit_in_use
                yield tell(intent, where, rule)


def foreign_marks_by_nft(listing: str, intent: Intent) -> Iterator[Diagnostic]:
    """The same of foreign tables of nftables, as nft lists them."""
    bit = intent.settings.masquerade_mark
    if intent.settings.proxy_mode is not ProxyMode.IPVS:
        yield from foreign_uses(listing, intent.node_name, bit)
        return
    for table, rule in leading_astray(listing, marks.OURS, bit):
        yield _led_astray(intent, table, rule, f"ct mark & {marks.OURS:#x} != {marks.FIRST:#x}")


def _bit_in_use(intent: Intent, where: str, rule: str) -> Diagnostic:
    return Diagnostic(
        "SVC404",
        Severity.WARNING,
        "Somebody else uses the masquerade mark",
        f"On {intent.node_name} a foreign rule in the table {where} uses the bit "
        f"{intent.settings.masquerade_mark:#x} of packet marks: {rule}. Set masquerade_mark to a "
        "bit that nobody uses.",
    )


_SPARING = f"-m connmark ! --mark {marks.FIRST:#x}/{marks.OURS:#x}"


def _led_astray(intent: Intent, where: str, rule: str, sparing: str = _SPARING) -> Diagnostic:
    return Diagnostic(
        "SVC423",
        Severity.WARNING,
        "Somebody else changes marks that lead packets to Services",
        f"On {intent.node_name} a foreign rule in the table {where} is: {rule}. In mode ipvs all "
        f"of a packet's mark leads it to its Service, as do the bits {marks.OURS:#x} of its "
        f"connection's. Let the rule leave those out by {sparing}, or choose another proxy_mode.",
    )


def _foreign_rules(table: Table) -> Iterator[tuple[str, str]]:
    for chain, rules in table.chains.items():
        if not chain.startswith(PREFIX):
            yield from ((chain, rule) for rule in rules if "mark" in rule)


def _leads_astray(table: str, chain: str, rule: str, bit: int) -> bool:
    """Whether a rule may change the mark of a packet or connection that is on its way to IPVS."""
    if _SPARING in rule:
        return False
    if found := _CONNECTION_MARK.search(rule):
        masks = [_number(mask, _WHOLE) for mask in found.groups() if mask is not None]
        return any(mask & (marks.OURS | bit) for mask in masks)
    if "-j MARK" in rule and table == "mangle":
        return chain not in _BEHIND
    return _touches(rule, marks.OURS)


def _touches(rule: str, bits: int) -> bool:
    """Whether a rule reads or writes a bit; values and masks are as iptables-save prints them."""
    if "-m connmark" in rule:
        return False
    for found in _MARK.findall(rule):
        value, _, mask = found.partition("/")
        covered, wanted = _number(mask, _WHOLE), _number(value, -1)
        if wanted < 0 or covered < 0:
            continue
        # A whole-word mark is how most tools write; only those that say a mask share the word.
        if covered & bits and ((mask and covered != _WHOLE) or wanted & bits):
            return True
    return False


def _number(text: str, otherwise: int) -> int:
    """A number as iptables writes it; the other where there is none, -1 where it isn't one."""
    try:
        return int(text, 0) if text else otherwise
    except ValueError:
        return -1
