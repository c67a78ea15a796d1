"""What on a node would keep the servers from running, by name."""

from __future__ import annotations

from collections.abc import Iterator

from svcform.backends.proxy.userspace.express import servers_of
from svcform.backends.proxy.userspace.objects import Server
from svcform.backends.proxy.userspace.programs import has_asker, what_lacks
from svcform.diagnostics import Diagnostic, Severity
from svcform.model.facts import Facts
from svcform.policy.intent import Intent


def caveats(facts: Facts, intent: Intent) -> tuple[Diagnostic, ...]:
    """Errors: no HAProxy or nginx, or what they need; somebody else where they are to listen."""
    return tuple(_missing(intent, facts))


def _missing(intent: Intent, facts: Facts) -> Iterator[Diagnostic]:
    for server in servers_of(intent):
        if lack := what_lacks(server, facts):
            carried = "TCP" if server is Server.HAPROXY else "UDP"
            yield Diagnostic(
                "SVC472",
                Severity.ERROR,
                "The node lacks a program of userspace mode",
                f"{intent.node_name} can't carry {carried} Services in userspace mode: {lack}",
            )
    if not has_asker(facts):
        yield Diagnostic(
            "SVC473",
            Severity.ERROR,
            "The node's proxies can't be asked",
            f"{intent.node_name} has neither bash nor nc, and an apply has to ask the running "
            "proxies what they serve. Install one of them on the node.",
        )
