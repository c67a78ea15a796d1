"""Which host settings a node needs for its Services."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from functools import lru_cache

from svcform.backends.contract import Expressed
from svcform.backends.host.boot import boot_units, warn_of_boot
from svcform.backends.host.objects import HostObject, Module, OwnAddress, Route, Sysctl
from svcform.backends.host.ports import reserve_ports
from svcform.diagnostics import Diagnostic, Severity
from svcform.model.facts import Facts
from svcform.model.net import Family, family_of
from svcform.model.settings import ProxyMode
from svcform.policy.intent import FrontendKind, Intent, Pool, PortGroup
from svcform.policy.node_addresses import resolve
from svcform.policy.proxied import proxy_addresses

_BRIDGE_CALLS = {
    Family.IPV4: "net.bridge.bridge-nf-call-iptables",
    Family.IPV6: "net.bridge.bridge-nf-call-ip6tables",
}
_FORWARDING = {Family.IPV4: "net.ipv4.ip_forward", Family.IPV6: "net.ipv6.conf.all.forwarding"}


def express(intent: Intent, facts: Facts) -> Expressed:
    """The settings, modules and routes; none where the node carries no Services."""
    if not intent.wanted:
        return Expressed(wanted={})
    carried = _families(intent.common) | _families(intent.own)
    if intent.settings.proxy_mode is ProxyMode.NONE:
        carried = frozenset()
    families = sorted(carried, key=lambda f: f.value)
    diagnostics: list[Diagnostic] = []
    found: list[HostObject] = []
    for family in families:
        found += _forwarding(family, facts, diagnostics)
        found += _routes(family, intent, facts)
    found += map(OwnAddress, (*intent.own_addresses, *proxy_addresses(intent)))
    if families or intent.settings.dns:
        found += boot_units(facts)
        diagnostics += warn_of_boot(facts, intent.node_name)
    if families:
        found += _localhost(intent, facts)
        found += _bridge(intent, facts, families, diagnostics)
        found += _affinity(intent, facts, diagnostics)
        found += _virtual_services(intent, facts)
        found += reserve_ports(intent, facts)
    return Expressed(
        wanted={entry.address: entry for entry in found}, diagnostics=tuple(diagnostics)
    )


def _forwarding(
    family: Family, facts: Facts, diagnostics: list[Diagnostic]
) -> Iterator[HostObject]:
    name = _FORWARDING[family]
    if name not in facts.sysctls:
        diagnostics.append(
            Diagnostic(
                "SVC455",
                Severity.WARNING,
                "The node's kernel lacks an address family",
                f"The node has {family.value} Services and its kernel has no {name}: they can't "
                f"work there. Enable {family.value} on the node, or leave it to other nodes.",
            )
        )
        return
    yield Sysctl(name, "1")
    if family is Family.IPV6:
        # A kernel that forwards stops taking router advertisements unless accept_ra is 2
        # (Linux, Documentation/networking/ip-sysctl.rst).
        for interface in sorted(_advertised(facts)):
            yield Sysctl(f"net.ipv6.conf.{interface.replace('.', '/')}.accept_ra", "2")


def _advertised(facts: Facts) -> set[str]:
    """Interfaces whose default route the kernel learned from a router."""
    lines = (line.split() for line in facts.routes)
    return {
        words[words.index("dev") + 1]
        for words in lines
        if words[:2] == ["IPv6", "default"] and "dev" in words[:-1] and "ra" in words
    }


def _routes(family: Family, intent: Intent, facts: Facts) -> Iterator[HostObject]:
    cidrs = [cidr for cidr in intent.settings.service_cidrs if family_of(cidr) is family]
    targets = foreign_routes(facts, family)
    if not cidrs or "default" in targets:
        return
    addresses = resolve(intent.settings, facts, intent.connection_host)
    source = addresses.primary.get(family) or _any_address(facts, family)
    for cidr in cidrs:
        if source and not _covered(cidr, targets):
            yield Route(family, cidr, source)


def foreign_routes(facts: Facts, family: Family) -> list[str]:
    """The targets of the main table's routes that are not svcform's."""
    lines = (line.split() for line in facts.routes)
    return [
        words[1]
        for words in lines
        if words[0] == family.value
        and "proto 83" not in " ".join(words)
        and words[1] not in {"unreachable", "blackhole", "prohibit"}
    ]


def _covered(cidr: str, targets: list[str]) -> bool:
    wanted = ipaddress.ip_network(cidr)
    for target in targets:
        try:
            network = ipaddress.ip_network(target)
        except ValueError:
            continue
        wider = network.version == wanted.version and network.prefixlen <= wanted.prefixlen
        if wider and wanted.network_address in network:
            return True
    return False


def _any_address(facts: Facts, family: Family) -> str:
    candidates = (a.address for a in facts.addresses if a.scope == "global" and a.interface != "lo")
    return min((a for a in candidates if family_of(a) is family), default="")


def _localhost(intent: Intent, facts: Facts) -> Iterator[HostObject]:
    addresses = resolve(intent.settings, facts, intent.connection_host)
    if addresses.localhost_node_ports and (
        _has_node_ports(intent.common) or _has_node_ports(intent.own)
    ):
        yield Sysctl("net.ipv4.conf.all.route_localnet", "1")


def _bridge(
    intent: Intent, facts: Facts, families: list[Family], diagnostics: list[Diagnostic]
) -> Iterator[HostObject]:
    """Pods on one bridge answer each other past the rules unless bridges call them."""
    bridge = next((b for b in sorted(facts.bridges) if _carries_endpoints(b, intent, facts)), "")
    if not bridge:
        return
    present = _BRIDGE_CALLS[Family.IPV4] in facts.sysctls
    if "br_netfilter" in facts.modules | facts.loadable:
        yield Module("br_netfilter")
    elif not present:
        diagnostics.append(
            Diagnostic(
                "SVC456",
                Severity.WARNING,
                "The kernel module br_netfilter is missing",
                f"Endpoints share the bridge {bridge} on the node, and its kernel has no "
                "br_netfilter: from one of them to a Service whose endpoint is another one, the "
                "answer takes a short cut and is lost. Install the module.",
            )
        )
        return
    for family in families:
        yield Sysctl(_BRIDGE_CALLS[family], "1")


def _carries_endpoints(bridge: str, intent: Intent, facts: Facts) -> bool:
    networks = {
        str(ipaddress.ip_network(f"{a.address}/{a.prefix_length}", strict=False))
        for a in facts.addresses
        if a.interface == bridge and a.scope == "global"
    }
    groups = (intent.common, intent.own)
    return any(_reaches(group, network) for group in groups for network in networks)


def _affinity(intent: Intent, facts: Facts, diagnostics: list[Diagnostic]) -> Iterator[HostObject]:
    if intent.settings.proxy_mode is not ProxyMode.IPTABLES:
        return
    if not (_has_affinity(intent.common) or _has_affinity(intent.own)):
        return
    wanted = intent.settings.affinity_entries
    live = facts.module_parameters.get("xt_recent.ip_list_tot")
    if "xt_recent" not in facts.modules:
        if "xt_recent" in facts.loadable:
            yield Module("xt_recent", f"ip_list_tot={wanted}")
    elif live == str(wanted):
        yield Module("xt_recent", f"ip_list_tot={wanted}")
    elif live is not None and int(live) < wanted:
        diagnostics.append(
            Diagnostic(
                "SVC457",
                Severity.WARNING,
                "Affinity remembers fewer clients than asked for",
                f"The node's kernel remembers {live} clients a list (xt_recent, ip_list_tot), and "
                f"affinity_entries asks for {wanted}; those beyond are not sticky. The module "
                "takes the number only when it is loaded: unload it, or set "
                f"xt_recent.ip_list_tot={wanted} on the kernel's command line.",
            )
        )


def _virtual_services(intent: Intent, facts: Facts) -> Iterator[HostObject]:
    """What IPVS needs to masquerade, and to send clients elsewhere whose server is gone."""
    if intent.settings.proxy_mode is not ProxyMode.IPVS:
        return
    schedulers = {intent.settings.ipvs_scheduler}
    schedulers |= _schedulers(intent.common) | _schedulers(intent.own)
    for name in ("ip_vs", *(f"ip_vs_{scheduler}" for scheduler in sorted(schedulers))):
        yield Module(name)
    yield Sysctl("net.ipv4.vs.conntrack", "1")
    yield Sysctl("net.ipv4.vs.expire_nodest_conn", "1")
    yield Sysctl("net.ipv4.vs.expire_quiescent_template", "1")
    found = re.match(r"(\d+)\.(\d+)", facts.kernel)
    if found and (4, 1) <= (int(found[1]), int(found[2])) < (5, 9):
        # Before 5.9 a client that uses a port again waits a second (kube-proxy v1.36's rule).
        yield Sysctl("net.ipv4.vs.conn_reuse_mode", "0")


@lru_cache(maxsize=64)
def _schedulers(group: PortGroup) -> frozenset[str]:
    return frozenset(port.scheduler for port in group.ports if port.scheduler)


@lru_cache(maxsize=64)
def _families(group: PortGroup) -> frozenset[Family]:
    return frozenset(port.family for port in group.ports if port.frontends)


@lru_cache(maxsize=64)
def _has_node_ports(group: PortGroup) -> bool:
    return any(
        frontend.kind is FrontendKind.NODE_PORT and port.family is Family.IPV4
        for port in group.ports
        for frontend in port.frontends
    )


@lru_cache(maxsize=64)
def _has_affinity(group: PortGroup) -> bool:
    return any(
        isinstance(route.to, Pool) and route.to.affinity_seconds is not None
        for port in group.ports
        for frontend in port.frontends
        for route in frontend.routes
    )


@lru_cache(maxsize=64)
def _reaches(group: PortGroup, network: str) -> bool:
    target = ipaddress.ip_network(network)
    addresses = {endpoint.address for port in group.ports for endpoint in port.endpoints}
    return any(ipaddress.ip_address(address) in target for address in addresses)
