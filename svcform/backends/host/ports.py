"""Ports that the kernel leaves alone when it gives sockets one: the node's proxies listen there."""

from __future__ import annotations

from collections.abc import Iterator

from svcform.backends.host.objects import Sysctl
from svcform.model.facts import Facts
from svcform.policy.intent import Intent
from svcform.policy.proxied import PROOF_PORTS, PROXY_PORTS, proxy_addresses

_RANGE = "net.ipv4.ip_local_port_range"
_RESERVED = "net.ipv4.ip_local_reserved_ports"
_OWN: tuple[int, int] = (PROXY_PORTS.start, max(PROOF_PORTS.values()))


def reserve_ports(intent: Intent, facts: Facts) -> Iterator[Sysctl]:
    """Those of userspace mode, beside what is reserved already, where the kernel could give them.

    A UDP socket that was given one has it on all addresses.  As the kernel has them by default,
    its own begin above (32768).
    """
    given = facts.sysctls.get(_RANGE, "").split()
    if not proxy_addresses(intent) or len(given) != 2:
        return
    if int(given[0]) <= _OWN[1] and int(given[1]) >= _OWN[0]:
        yield Sysctl(_RESERVED, _with_own(facts.sysctls.get(_RESERVED, "")))


def _with_own(text: str) -> str:
    """As the kernel lists them: ``8080,10240-29999``, sorted, and in one where they touch."""
    spans: list[tuple[int, int]] = [_OWN]
    for word in filter(None, text.split(",")):
        low, _, high = word.partition("-")
        spans.append((int(low), int(high or low)))
    merged: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in merged)
