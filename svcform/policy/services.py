"""Which Services are forwarded at all, and which of their fields count."""

from __future__ import annotations

from svcform.model.net import Family, family_of
from svcform.model.service import Service, ServicePort, ServiceType, TrafficPolicy
from svcform.policy.endpoints import Uses

#: KEP-2447: with this label, whatever its value, another proxy looks after the Service.
PROXY_NAME_LABEL = "service.kubernetes.io/service-proxy-name"

#: How IPVS spreads the Service's connections; it wins over the node's ``ipvs_scheduler``.
SCHEDULER_ANNOTATION = "svcform.io/ipvs-scheduler"


def is_forwarded(service: Service) -> bool:
    """Whether there is anything to forward (kube-proxy v1.36 ``ShouldSkipService``)."""
    return (
        service.type is not ServiceType.EXTERNAL_NAME
        and not service.headless
        and bool(service.cluster_ips)
        and service.label(PROXY_NAME_LABEL) is None
    )


def families(service: Service) -> tuple[Family, ...]:
    """The families that the Service exists in: those that it has a clusterIP of."""
    present = {family_of(address) for address in service.cluster_ips}
    return tuple(family for family in Family if family in present)


def of_family(addresses: tuple[str, ...], family: Family) -> tuple[str, ...]:
    """Those addresses or CIDRs that are of a family."""
    return tuple(address for address in addresses if family_of(address) is family)


def virtual_ips(service: Service, family: Family) -> tuple[str, ...]:
    """The load-balancer addresses that are captured; ``ipMode: Proxy`` is not (KEP-1860)."""
    return of_family(tuple(i.address for i in service.ingress if i.vip), family)


def external_policy(service: Service) -> TrafficPolicy:
    """``externalTrafficPolicy`` where it counts, else Cluster (``pkg/api/v1/service/util.go``)."""
    exposed = service.type in {ServiceType.NODE_PORT, ServiceType.LOAD_BALANCER}
    if exposed or (service.type is ServiceType.CLUSTER_IP and service.external_ips):
        return service.external_traffic_policy
    return TrafficPolicy.CLUSTER


def uses(service: Service, port: ServicePort, family: Family) -> Uses:
    """Which lists of endpoints a port needs in a family."""
    external = bool(
        port.node_port or virtual_ips(service, family) or of_family(service.external_ips, family)
    )
    internal_local = service.internal_traffic_policy is TrafficPolicy.LOCAL
    external_local = external and external_policy(service) is TrafficPolicy.LOCAL
    return Uses(cluster=external or not internal_local, local=internal_local or external_local)


def source_ranges(service: Service, family: Family) -> tuple[str, ...] | None:
    """Who may use the load-balancer addresses; None is everybody.

    One range of everything opens them all; ranges of the other family say nothing.
    """
    ranges = of_family(service.source_ranges, family)
    if not ranges or any(cidr.endswith("/0") for cidr in ranges):
        return None
    return ranges


def scheduler(service: Service) -> str:
    """The IPVS scheduler that the Service asks for, or nothing."""
    return service.annotation(SCHEDULER_ANNOTATION) or ""


def health_check_node_port(service: Service) -> int:
    """The port of load balancers' health checks, or 0 where the Service has none."""
    if service.type is not ServiceType.LOAD_BALANCER:
        return 0
    if external_policy(service) is not TrafficPolicy.LOCAL:
        return 0
    return service.health_check_node_port
