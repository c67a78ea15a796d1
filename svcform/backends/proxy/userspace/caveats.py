"""What on a node would keep the servers from running, by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from svcform.backends.contract import Reading
from svcform.backends.proxy.userspace.express import servers_of
from svcform.backends.proxy.userspace.objects import Server
from svcform.backends.proxy.userspace.observe import facts_of
from svcform.diagnostics import Diagnostic, Severity
from svcform.model.facts import Facts
from svcform.model.packages import install_command
from svcform.policy.intent import Intent


def caveats(
    readings: Mapping[str, Reading], facts: Facts, intent: Intent
) -> tuple[Diagnostic, ...]:
    """Errors: no HAProxy or nginx, nothing to ask them with."""
    tools = set(facts_of(readings, "tool"))
    found = [d for server in servers_of(intent) for d in _missing(server, tools, facts, intent)]
    if not tools & {"bash", "nc"}:
        found.append(
            Diagnostic(
                "SVC473",
                Severity.ERROR,
                "The node's proxies can't be asked",
                f"{intent.node_name} has neither bash nor nc, and an apply has to ask the running "
                "proxies what they serve. Install one of them on the node.",
            )
        )
    return tuple(found)


def _missing(server: Server, tools: set[str], facts: Facts, intent: Intent) -> Iterator[Diagnostic]:
    carried = "TCP" if server is Server.HAPROXY else "UDP"
    lacks = "" if server.value in tools else server.value
    if server is Server.NGINX and not lacks and "stream" not in tools:
        lacks = "nginx's stream module"
    if lacks:
        yield Diagnostic(
            "SVC472",
            Severity.ERROR,
            "The node lacks a program of userspace mode",
            f"{intent.node_name} has no {lacks}, which carries {carried} Services in userspace "
            f"mode. {_remedy(server, facts)}",
        )


def _remedy(server: Server, facts: Facts) -> str:
    return install_command(server.value, facts.os_release)
