"""The node's own resolver, led to its CoreDNS: resolv.conf, or a drop-in for systemd-resolved."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from svcform.backends.contract import Reading
from svcform.backends.dns.coredns.corefile import HEADER
from svcform.backends.dns.coredns.objects import DROP_IN, RESOLV_CONF, File
from svcform.backends.dns.coredns.observe import facts_of
from svcform.model.facts import Facts, Resolver
from svcform.policy.dns_listen import RESOLVER_ADDRESS
from svcform.policy.intent import Intent
from svcform.policy.node_addresses import OWN_LINK

RESOLVED = "systemd-resolved"
#: Of resolv.conf(5), what is no server.
_KEPT = ("search", "domain", "options", "sortlist")


def read_resolver(readings: Mapping[str, Reading]) -> Resolver:
    """Who writes the node's resolv.conf, and what it says besides its servers."""
    owner = next(facts_of(readings, "resolver"), "")
    words = (line.split() for line in facts_of(readings, "resolver-line"))
    lines = [" ".join(w) for w in words if w and w[0] in _KEPT]
    kept = tuple(line for line in lines if line == _printable(line))
    rivals = tuple(map(_printable, facts_of(readings, "resolver-rival")))
    return Resolver(_printable(owner), kept, rivals)


def resolver_file(intent: Intent, facts: Facts) -> Iterator[File]:
    """What leads the node to its CoreDNS, if it should be led there."""
    if intent.settings.dns_resolver != "node":
        return
    if facts.resolver.owner == RESOLVED and intent.zones:
        domains = " ".join(f"~{zone.origin.rstrip('.')}" for zone in intent.zones.zones)
        # Of several servers systemd-resolved asks only one: CoreDNS takes the others' place.
        emptied = ["DNS="] if facts.resolver.rivals else []
        servers = [*emptied, f"DNS={RESOLVER_ADDRESS}"]
        lines = [HEADER, "[Resolve]", *servers, f"Domains={domains}"]
        yield File(DROP_IN, _text(lines))
    else:
        lines = [HEADER, f"nameserver {RESOLVER_ADDRESS}", *facts.resolver.lines]
        yield File(RESOLV_CONF, _text(lines))


def resolver_problem(intent: Intent, listen: Sequence[str], facts: Facts) -> str:
    """Why the node can't be led to its CoreDNS; empty where it can."""
    settings, owner = intent.settings, facts.resolver.owner
    if settings.dns_resolver != "node":
        return ""
    if owner not in {"", RESOLVED}:
        return (
            f"dns_resolver can't be carried out: {owner} writes {RESOLV_CONF}, and would write it "
            f"anew. Let that lead to {RESOLVER_ADDRESS}, or leave dns_resolver out"
        )
    elsewhere = {a.interface for a in facts.addresses if a.address == RESOLVER_ADDRESS}
    if others := elsewhere - {OWN_LINK, "lo"}:
        return f"{RESOLVER_ADDRESS} is on its link {min(others)}, which is not svcform's"
    if owner != RESOLVED and not settings.dns_forward:
        return (
            "with dns_resolver the node asks its CoreDNS for every name, which refuses all that "
            "are not its own: set dns_forward to the servers that the node asks now"
        )
    if owner == RESOLVED and (problem := _rival(facts.resolver.rivals, settings.dns_forward)):
        return problem
    for server in settings.dns_forward:
        if _is_here(server, listen):
            return (
                f"dns_forward has {server}, which is the node itself: a question would go round in "
                "circles. Set it to the servers behind that one"
            )
    return ""


def _rival(rivals: Sequence[str], forward: Sequence[str]) -> str:
    """Why servers that somebody else names would be asked instead; empty where they would not."""
    if rivals and not forward:
        return (
            f"{rivals[0]} names servers for {RESOLVED}, which asks but one of all servers for all "
            "names: set dns_forward to those, so that CoreDNS takes their place"
        )
    name = PurePosixPath(DROP_IN).name
    for path in map(PurePosixPath, rivals):
        if path.parent.suffix == ".d" and path.name > name:
            return (
                f"{path} names servers for {RESOLVED}, and is read behind {DROP_IN}: take DNS= out "
                f"of it, or give it a name that sorts before {name}"
            )
    return ""


def _is_here(server: str, listen: Sequence[str]) -> bool:
    """Whether a server, with or without a port, is one of the node's own that asks CoreDNS."""
    host = server[1:].partition("]")[0] if server.startswith("[") else server
    host = host.partition(":")[0] if host.count(":") == 1 else host
    return host in listen or ipaddress.ip_address(host).is_loopback


def _text(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _printable(text: str) -> str:
    return "".join(c for c in text if " " <= c <= "~")[:100]
