"""Addresses and ports that Services answer on: claimed twice, or somebody else's."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from svcform.diagnostics import Diagnostic, Origin, Severity
from svcform.inputs.workloads import node_addresses
from svcform.model.net import Protocol, endpoint_text, family_of
from svcform.model.node import Node
from svcform.model.service import NamespacedName, Service, ServiceType

PROXY_NAME = "service.kubernetes.io/service-proxy-name"
SSH_PORT = 22
_EVERY_NODE = "*"
_FOUND_BY_ALLOCATION = ("clusterIP", "nodePort")


class _Claim(NamedTuple):
    service: Service
    kind: str
    address: str
    port: int
    protocol: Protocol
    origin: Origin


def check_frontends(
    services: Mapping[NamespacedName, Service],
    nodes_of: Mapping[NamespacedName, Sequence[Node]],
    pools: Mapping[str, tuple[str, ...]],
) -> Iterator[Diagnostic]:
    """What is wrong with the frontends of Services that are allocated.

    ``nodes_of`` are the nodes that a Service is on.  Two equal clusterIPs or nodePorts are found by
    the allocation.
    """
    proxied = [s for s in services.values() if s.label(PROXY_NAME) is None]
    yield from _clashes(claim for service in proxied for claim in _claims(service))
    for service in proxied:
        yield from _on_sshd(service, nodes_of.get(service.key, ()))
        yield from _outside_pools(service, pools)
        yield from _not_carried(service, nodes_of.get(service.key, ()))


def _claims(service: Service) -> Iterator[_Claim]:
    addresses: list[tuple[str, str, tuple[str, ...]]] = [
        ("clusterIP", ip, ("spec", "clusterIP")) for ip in service.cluster_ips
    ]
    addresses += [("externalIP", ip, ("spec", "externalIPs")) for ip in service.external_ips]
    addresses += [
        ("load-balancer address", ingress.address, ("status",))
        for ingress in service.ingress
        if ingress.vip
    ]
    for kind, address, path in addresses:
        for port in service.ports:
            origin = service.origin.at(*path)
            yield _Claim(service, kind, address, port.port, port.protocol, origin)
    yield from _node_claims(service)


def _node_claims(service: Service) -> Iterator[_Claim]:
    for number, port in enumerate(service.ports):
        if port.node_port:
            origin = service.origin.at("spec", "ports", number, "nodePort")
            yield _Claim(service, "nodePort", _EVERY_NODE, port.node_port, port.protocol, origin)
    if health := service.health_check_node_port:
        origin = service.origin.at("spec", "healthCheckNodePort")
        yield _Claim(service, "healthCheckNodePort", _EVERY_NODE, health, Protocol.TCP, origin)


def _clashes(claims: Iterable[_Claim]) -> Iterator[Diagnostic]:
    first: dict[tuple[str, int, Protocol], _Claim] = {}
    for claim in claims:
        owner = first.setdefault((claim.address, claim.port, claim.protocol), claim)
        if owner.kind == claim.kind in _FOUND_BY_ALLOCATION or _is_one_frontend(owner, claim):
            continue
        place = f"{endpoint_text(claim.address, claim.port)}/{claim.protocol.value}"
        yield Diagnostic(
            "SVC241",
            Severity.ERROR,
            "Two Services claim one address and port",
            f"{place} is the {claim.kind} of {claim.service.key} and the {owner.kind} of "
            f"{owner.service.key} ({owner.origin.file}); give one of them another port or address.",
            claim.origin,
        )


def _is_one_frontend(owner: _Claim, claim: _Claim) -> bool:
    # An external IP may be the load balancer's address; a health check needs a port of its own.
    return owner.service is claim.service and (owner is claim or claim.address != _EVERY_NODE)


def _on_sshd(service: Service, nodes: Sequence[Node]) -> Iterator[Diagnostic]:
    own = {*service.external_ips, *(i.address for i in service.ingress if i.vip)}
    ports = {p.port for p in service.ports if p.protocol is Protocol.TCP}
    node_ports = {p.node_port for p in service.ports if p.protocol is Protocol.TCP} - {0}
    for node in nodes:
        if node.absent or node.connection.kind != "ssh":
            continue
        sshd = node.connection.port or SSH_PORT
        shared = sorted(own.intersection(node_addresses(node)))
        if shared and sshd in ports:
            what = f"{endpoint_text(shared[0], sshd)} of {service.key} is {node.name}'s own address"
            yield _takes_sshd(service, what, sshd)
            return
        if sshd in node_ports:
            yield _takes_sshd(service, f"nodePort {sshd} of {service.key} is on {node.name}", sshd)
            return


def _takes_sshd(service: Service, what: str, port: int) -> Diagnostic:
    return Diagnostic(
        "SVC242",
        Severity.ERROR,
        "A Service would take sshd's port",
        f"{what}, whose sshd listens on port {port}: nobody could log in any more. Choose another "
        "port or address.",
        service.origin.at("spec", "ports"),
    )


def _outside_pools(service: Service, pools: Mapping[str, tuple[str, ...]]) -> Iterator[Diagnostic]:
    if service.type is not ServiceType.LOAD_BALANCER or not pools or service.load_balancer_class:
        return
    for ingress in service.ingress:
        if not any(_is_in(ingress.address, part) for pool in pools.values() for part in pool):
            yield Diagnostic(
                "SVC243",
                Severity.NOTICE,
                "A load-balancer address outside of the pools",
                f"{ingress.address} of {service.key} is in none of load_balancer_pools "
                f"({', '.join(sorted(pools))}); it is used as it is.",
                service.origin.at("status"),
            )


def _not_carried(service: Service, nodes: Sequence[Node]) -> Iterator[Diagnostic]:
    for number, port in enumerate(service.ports):
        for node in nodes:
            mode = node.settings.proxy_mode
            if not node.absent and port.protocol not in mode.protocols:
                yield Diagnostic(
                    "SVC244",
                    Severity.ERROR,
                    "Userspace mode can't carry SCTP",
                    f"Port {port.port} of {service.key} is {port.protocol.value}, and {node.name} "
                    f"has proxy_mode: {mode.value}, whose programs don't know it. Set another "
                    "proxy_mode there, or leave the Service to other nodes.",
                    service.origin.at("spec", "ports", number, "protocol"),
                )
                break


def _is_in(address: str, part: str) -> bool:
    first, dash, last = part.partition("-")
    if family_of(address) is not family_of(first):
        return False
    if dash:
        number = int(ipaddress.ip_address(address))
        low, high = (int(ipaddress.ip_address(text.strip())) for text in (first, last))
        return low <= number <= high
    return ipaddress.ip_address(address) in ipaddress.ip_network(part, strict=False)
