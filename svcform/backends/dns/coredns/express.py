"""Which zones, files and service a node should have."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from svcform.backends.contract import Expressed
from svcform.backends.dns.coredns.binary import binary_problem, brought_binary
from svcform.backends.dns.coredns.corefile import command_line, write_corefile
from svcform.backends.dns.coredns.objects import (
    COREFILE,
    UNIT,
    Binary,
    File,
    Running,
    Start,
    record_address,
)
from svcform.backends.dns.coredns.resolver import resolver_file, resolver_problem
from svcform.diagnostics import Diagnostic, Severity
from svcform.lang import unit_file
from svcform.lang.template import TemplateMistake
from svcform.model.facts import Facts, Init
from svcform.model.settings import Settings
from svcform.model.zone import Zones
from svcform.plan.snapshot import Layered, NodeObject, ObjectAddress
from svcform.policy.dns_listen import RESOLVER_ADDRESS
from svcform.policy.intent import Intent
from svcform.policy.node_addresses import resolve
from svcform.program.unit import Unit, unit_files

_NOTHING = Expressed(wanted={})


def express(intent: Intent, facts: Facts) -> Expressed:
    """The zones, which nodes share, and what is each node's own; nothing where none is wanted."""
    if not intent.wanted or intent.zones is None:
        return _NOTHING
    listen = listening(intent, facts)
    if problem := _problem(intent, listen, facts):
        return Expressed(wanted={}, diagnostics=(_impossible(intent, problem),))
    brought = brought_binary(intent.settings, facts)
    command = command_line(brought.path if brought else intent.settings.coredns_binary)
    origins = [zone.origin for zone in intent.zones.zones]
    late = [address for address in intent.own_addresses if address != RESOLVER_ADDRESS]
    own: list[File | Binary | Running] = [Running()]
    try:
        text = write_corefile(origins, listen, late, intent.settings, command)
        own += [File(COREFILE, text), *_unit_files(intent.settings, command, facts)]
    except TemplateMistake as mistake:
        return Expressed(wanted={}, diagnostics=(mistake.diagnostic(),))
    own += [brought] if brought else []
    own += resolver_file(intent, facts)
    layer: dict[ObjectAddress, NodeObject] = {found.address: found for found in own}
    return Expressed(wanted=Layered((_zone_layer(intent.zones), layer)))


def listening(intent: Intent, facts: Facts) -> tuple[str, ...]:
    """The addresses at which the node serves DNS: ``dns_listen``, else its primary ones.

    Those that it has for DNS alone come on top.
    """
    listen = intent.settings.dns_listen
    if not listen:
        primary = resolve(intent.settings, facts, intent.connection_host).primary
        listen = tuple(sorted(primary.values()))
    return tuple(dict.fromkeys((*listen, *intent.own_addresses)))


def _unit_files(settings: Settings, command: tuple[str, ...], facts: Facts) -> Iterator[File]:
    template = settings.templates.get("dns/svcform-coredns.service")
    for found in unit_files(_unit(command), facts.init):
        text = found.text
        if template and found.path.endswith(".service"):
            text = unit_file.write(template, text)
        yield File(found.path, text, found.mode)


def _unit(command: tuple[str, ...]) -> Unit:
    return Unit(
        name=UNIT,
        description="CoreDNS with svcform's zones",
        command=command,
        reload="USR1",
        daemon=True,
        after=("network-online.target",),
    )


@lru_cache(maxsize=32)
def _zone_layer(zones: Zones) -> dict[ObjectAddress, NodeObject]:
    layer: dict[ObjectAddress, NodeObject] = {}
    for zone in zones.zones:
        start = Start(zone.origin, zone.soa)
        layer[start.address] = start
        for found in zone.records:
            layer[record_address(zone.origin, found.name, found.type)] = found
    return layer


def _problem(intent: Intent, listen: tuple[str, ...], facts: Facts) -> str:
    settings = intent.settings
    if not listen:
        return "svcform does not know an address of the node's to serve it at: set dns_listen"
    if facts.init is Init.NONE:
        return "the node has no init system that svcform knows (systemd, OpenRC, SysV)"
    return binary_problem(settings, facts) or resolver_problem(intent, listen, facts)


def _impossible(intent: Intent, problem: str) -> Diagnostic:
    return Diagnostic(
        "SVC461",
        Severity.ERROR,
        "DNS can't be served here",
        f"dns is true on {intent.node_name}, and {problem}.",
    )
