"""What answers load balancers that ask about a Service's endpoints on the node, in every mode."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from svcform.backends.contract import Expressed
from svcform.backends.proxy.userspace.express import servers_of
from svcform.backends.proxy.userspace.objects import (
    File,
    Health,
    Running,
    Server,
    service_file,
)
from svcform.backends.proxy.userspace.programs import has_asker, proof_in_the_way, what_lacks
from svcform.backends.proxy.userspace.units import instance
from svcform.diagnostics import Diagnostic, Severity
from svcform.model.facts import Facts, ForeignSocket
from svcform.model.net import Family, Protocol, family_of
from svcform.model.settings import ProxyMode
from svcform.plan.snapshot import NodeObject, ObjectAddress, Snapshot
from svcform.policy.intent import HealthCheck, Intent
from svcform.policy.node_addresses import resolve
from svcform.policy.proxied import catches_by_nft

_NAMED = 5


def express(intent: Intent, facts: Facts) -> Expressed:
    """An answer for each of the node's Services that has a port for it, where HAProxy is there.

    Who can't answer only warns: the Services themselves need nothing of it.
    """
    mode = intent.settings.proxy_mode
    if not intent.wanted or mode is ProxyMode.NONE or not intent.health_checks:
        return Expressed(wanted={})
    lack = what_lacks(Server.HEALTH, facts)
    if not lack and not has_asker(facts):
        lack = "it has neither bash nor nc to ask HAProxy with. Install one of them on the node."
    if not lack and (found := proof_in_the_way(facts, Server.HEALTH)):
        place = f"port {found.port} of the loopback"
        lack = f"{found.process} has {place}, where svcform asks HAProxy. Stop it on the node."
    if lack:
        return Expressed(wanted={}, diagnostics=(_unanswered(intent, lack),))
    held = {s.port: s for s in facts.foreign_sockets if s.protocol is Protocol.TCP}
    warnings = tuple(_left(c, held[c.port], intent) for c in intent.health_checks if c.port in held)
    answered = [check for check in intent.health_checks if check.port not in held]
    wanted: dict[ObjectAddress, NodeObject] = {}
    if answered:
        watched = servers_of(intent) if mode is ProxyMode.USERSPACE else ()
        wanted |= instance(Server.HEALTH, facts, 2 * len(answered), watched)
    for entry in _answers(answered, intent, facts):
        wanted[entry.address] = entry
    return Expressed(wanted=wanted, diagnostics=(*warnings, *_shut_out(answered, intent, facts)))


def _answers(checks: list[HealthCheck], intent: Intent, facts: Facts) -> Iterator[Health]:
    """On the addresses of node ports (kube-proxy v1.36 ``healthcheck/service_health.go``)."""
    addresses: tuple[str, ...] = ()
    if intent.settings.node_port_addresses != ("all",):
        found = resolve(intent.settings, facts, intent.connection_host).node_port
        addresses = tuple(address for family in Family for address in found[family])
    # A node without IPv6 can't bind one of that family.
    own = addresses or tuple(entry.address for entry in facts.addresses)
    has_ipv6 = any(family_of(address) is Family.IPV6 for address in own)
    for check in checks:
        yield Health(str(check.service), check.port, check.local_endpoints, addresses, has_ipv6)


def narrow(
    live: Snapshot, wanted: Snapshot, is_targeted: Callable[[str], bool], *, destroy: bool
) -> Snapshot:
    """What is live, with the targeted Services' answers as wanted, or (destroy) without them."""
    kept = {a: found for a, found in live.items() if not _is_of(found, is_targeted)}
    come = {a: found for a, found in wanted.items() if _is_of(found, is_targeted)}
    if destroy:
        come = {}
    if not come and len(kept) == len(live):
        return live
    if not come and not any(_service_of(found) for found in kept.values()):
        return {}
    running = Running(Server.HEALTH)
    shared = {a: found for a, found in wanted.items() if not _service_of(found)}
    return {**shared, **kept, **come, running.address: running}


def _is_of(found: NodeObject, is_targeted: Callable[[str], bool]) -> bool:
    service = _service_of(found)
    return bool(service) and is_targeted(service)


def _service_of(found: NodeObject) -> str:
    """``namespace/name``, also of a Service's file that somebody wrote into; empty for others."""
    if isinstance(found, Health):
        return found.service
    if not isinstance(found, File):
        return ""
    namespace, _, name = found.path.rpartition("/")[2].removesuffix(".cfg").partition(".")
    is_own = found.path.endswith(f"/{service_file(Server.HEALTH, namespace, name)}")
    return f"{namespace}/{name}" if is_own else ""


def _unanswered(intent: Intent, lack: str) -> Diagnostic:
    names = [f"{check.service} (port {check.port})" for check in intent.health_checks]
    if len(names) > _NAMED:
        names[_NAMED:] = [f"{len(names) - _NAMED} more"]
    return Diagnostic(
        "SVC474",
        Severity.WARNING,
        "Nobody answers health checks on the node",
        f"Load balancers that ask {intent.node_name} for {', '.join(names)} get no answer: {lack}",
    )


def _shut_out(checks: list[HealthCheck], intent: Intent, facts: Facts) -> Iterator[Diagnostic]:
    """For each firewall that has to be told of them by hand; iptables' own rules let them in."""
    mode = intent.settings.proxy_mode
    has_jump = mode is ProxyMode.IPTABLES or (mode.terminates and not catches_by_nft(facts))
    for found in facts.closed_inputs:
        shut = [check for check in checks if not found.lets_in(check.port)]
        if not shut or (has_jump and found.has_jump):
            continue
        names = [f"{check.service} (port {check.port})" for check in shut[:_NAMED]]
        if len(shut) > _NAMED:
            names.append(f"{len(shut) - _NAMED} more")
        ports = ",".join(str(check.port) for check in shut[:_NAMED])
        yield Diagnostic(
            "SVC477",
            Severity.WARNING,
            "A firewall drops health checks",
            f"On {intent.node_name} {found.name} drops what it does not know, and load balancers "
            f"that ask for {', '.join(names)} may get no answer. Let them in: "
            f"{found.opening}{ports}{found.ending}",
        )


def _left(check: HealthCheck, held: ForeignSocket, intent: Intent) -> Diagnostic:
    return Diagnostic(
        "SVC475",
        Severity.WARNING,
        "Somebody else answers at a health check port",
        f"On {intent.node_name} {held.process} has port {check.port}, where load balancers ask for "
        f"{check.service}: svcform leaves it to that. Stop it, or change healthCheckNodePort, for "
        "svcform to answer.",
    )
