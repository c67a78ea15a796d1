"""What on the node would keep CoreDNS from serving, by name."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence

from svcform.backends.contract import Reading, Status
from svcform.backends.dns.coredns.express import listening
from svcform.backends.dns.coredns.observe import PROBE, facts_of
from svcform.diagnostics import Diagnostic, Severity
from svcform.model.facts import Facts
from svcform.policy.intent import Intent

#: With any of them the node's scripts ask CoreDNS.
_ASKERS = frozenset({"bash", "dig", "python3", "host", "nc"})
_HOLDER = re.compile(r'\("([^"]*)",pid=(\d+)')


def caveats(
    readings: Mapping[str, Reading], facts: Facts, intent: Intent
) -> tuple[Diagnostic, ...]:
    """Errors: no CoreDNS, nothing to ask it with, somebody else at port 53.

    None where nobody looked, as ``svcform render`` doesn't: the probe is never absent.
    """
    if readings[PROBE].status is not Status.READ:
        return ()
    tools = set(facts_of(readings, "tool"))
    found: list[Diagnostic] = []
    settings = intent.settings
    named = settings.coredns_binary == "coredns" and not settings.coredns_downloads
    if named and "coredns" not in tools:
        found.append(
            _error(
                "SVC462",
                "CoreDNS is not on the node",
                f"dns is true on {intent.node_name}, and no coredns is in root's PATH there. Put "
                "the program on the node, or set coredns_binary to its path.",
            )
        )
    if not tools & _ASKERS:
        found.append(
            _error(
                "SVC463",
                "CoreDNS can't be asked on the node",
                f"{intent.node_name} has none of bash, dig, python3, host and a nc that knows -u, "
                "and an apply has to ask the running CoreDNS what it serves. Install one of them "
                "on the node.",
            )
        )
    own = set(facts_of(readings, "process"))
    sockets = [s for line in facts_of(readings, "socket") if (s := _socket(line))]
    found += _taken(sockets, own, listening(intent, facts), intent.node_name)
    return tuple(found)


def _taken(
    sockets: Sequence[tuple[str, str, str]], own: set[str], listen: Sequence[str], node: str
) -> Iterator[Diagnostic]:
    holders: dict[tuple[str, str], set[str]] = {}
    for address, name, pid in sockets:
        if pid not in own:
            for wanted in listen:
                if _overlaps(address, wanted):
                    holders.setdefault((name, pid), set()).add(wanted)
    for (name, pid), addresses in sorted(holders.items()):
        yield _error(
            "SVC464",
            "Port 53 is in use",
            f"On {node} {name} (process {pid}) has port 53 of {', '.join(sorted(addresses))}, "
            "where CoreDNS is to serve. Stop it, let it leave the address, or set dns_listen to "
            "other addresses of the node.",
        )


def _overlaps(held: str, wanted: str) -> bool:
    if held == "*":
        return True
    address = ipaddress.ip_address(held.strip("[]"))
    if address.is_unspecified:
        return ipaddress.ip_address(wanted).version == address.version
    # A socket of IPv6 may be bound to an address of IPv4.
    mapped = address.ipv4_mapped if address.version == 6 else None
    return str(mapped or address) == wanted


def _socket(line: str) -> tuple[str, str, str] | None:
    """Address, process and its number of a line of ``ss -H -lntup``."""
    words = line.split()
    place = next((word for word in words if word.endswith(":53")), "")
    address = place.rpartition(":")[0].partition("%")[0]
    holder = _HOLDER.search(line)
    if not place:
        return None
    name, pid = holder.groups() if holder else ("an unknown process", "-")
    # One of IPv6 that takes IPv4, too, is "*" (iproute2 4.15), and ":::53" before.
    return "*" if address in {"", "::"} else address, name, pid


def _error(code: str, summary: str, detail: str) -> Diagnostic:
    return Diagnostic(code, Severity.ERROR, summary, detail)
