"""Service objects, with the API server's defaults filled in, as values of the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from svcform.inputs.addresses import canonical_address, parse_cidr, source_ranges
from svcform.inputs.manifests import RawObject
from svcform.model.net import Family, Protocol, family_of
from svcform.model.service import (
    Ingress,
    IPFamilyPolicy,
    NamespacedName,
    Service,
    ServicePort,
    ServiceType,
    TrafficDistribution,
    TrafficPolicy,
)

AFFINITY_SECONDS = 10800
_NOTHING: Mapping[str, Any] = {}


def key_of(item: RawObject) -> NamespacedName:
    """Namespace (``default`` if it is missing) and name of an object."""
    metadata = item.value["metadata"]
    return NamespacedName(metadata.get("namespace") or "default", metadata.get("name") or "")


def build_service(item: RawObject) -> Service:
    """The Service as the API server would store it, before allocation.

    What is not an address or a CIDR is left out here; :mod:`svcform.inputs.service_checks` has
    reported it.
    """
    value = item.value
    spec = value["spec"]
    metadata = value["metadata"]
    given = cluster_ips_of(spec)
    headless = given[:1] == ["None"]
    cluster_ips = () if headless else _addresses(given)
    policy = spec.get("ipFamilyPolicy")
    distribution = spec.get("trafficDistribution")
    affinity = spec.get("sessionAffinity") == "ClientIP"
    return Service(
        key=key_of(item),
        type=ServiceType(spec.get("type") or "ClusterIP"),
        headless=headless,
        cluster_ips=cluster_ips,
        ip_families=_families(spec, cluster_ips),
        ip_family_policy=IPFamilyPolicy(policy) if policy else None,
        ports=tuple(_port(port) for port in spec.get("ports") or ()),
        external_ips=_addresses(spec.get("externalIPs")),
        ingress=_ingress(value),
        ingress_names=_ingress_names(value),
        load_balancer_ip=canonical_address(spec.get("loadBalancerIP") or "") or "",
        allocate_node_ports=spec.get("allocateLoadBalancerNodePorts") is not False,
        source_ranges=_source_ranges(spec),
        internal_traffic_policy=TrafficPolicy(spec.get("internalTrafficPolicy") or "Cluster"),
        external_traffic_policy=TrafficPolicy(spec.get("externalTrafficPolicy") or "Cluster"),
        traffic_distribution=TrafficDistribution(distribution) if distribution else None,
        affinity_seconds=_affinity_seconds(spec) if affinity else None,
        health_check_node_port=int(spec.get("healthCheckNodePort") or 0),
        external_name=(spec.get("externalName") or "").removesuffix("."),
        publish_not_ready_addresses=bool(spec.get("publishNotReadyAddresses")),
        load_balancer_class=spec.get("loadBalancerClass") or "",
        labels=text_items(metadata.get("labels")),
        annotations=text_items(metadata.get("annotations")),
        origin=item.origin,
    )


def cluster_ips_of(spec: Mapping[str, Any]) -> list[str]:
    """``clusterIPs``, or ``clusterIP`` as a list; without empty texts."""
    listed = [text for text in spec.get("clusterIPs") or () if text]
    single = spec.get("clusterIP")
    return listed or ([single] if single else [])


def text_items(values: Mapping[str, str | None] | None) -> tuple[tuple[str, str], ...]:
    """Labels or annotations, sorted; a null is an empty text, as in Kubernetes."""
    return tuple(sorted((key, value or "") for key, value in (values or _NOTHING).items()))


def protocol_of(port: Mapping[str, Any]) -> Protocol:
    """The protocol of a port of any kind; TCP if it is missing."""
    return Protocol(port.get("protocol") or "TCP")


def _addresses(texts: list[str] | None) -> tuple[str, ...]:
    found = (canonical_address(text) for text in texts or ())
    return tuple(dict.fromkeys(address for address in found if address))


def _families(spec: Mapping[str, Any], cluster_ips: tuple[str, ...]) -> tuple[Family, ...]:
    listed = spec.get("ipFamilies")
    families = map(Family, listed) if listed else map(family_of, cluster_ips)
    return tuple(dict.fromkeys(families))


def _port(port: Mapping[str, Any]) -> ServicePort:
    number = int(port["port"])
    target = port.get("targetPort")
    if isinstance(target, float):
        target = int(target)
    return ServicePort(
        name=port.get("name") or "",
        protocol=protocol_of(port),
        port=number,
        target_port=target or number,
        node_port=int(port.get("nodePort") or 0),
    )


def _ingress(value: Mapping[str, Any]) -> tuple[Ingress, ...]:
    status = (value.get("status") or _NOTHING).get("loadBalancer") or _NOTHING
    found = []
    for entry in status.get("ingress") or ():
        address = canonical_address((entry or _NOTHING).get("ip") or "")
        if address:
            found.append(Ingress(address=address, vip=entry.get("ipMode") != "Proxy"))
    return tuple(found)


def _ingress_names(value: Mapping[str, Any]) -> tuple[str, ...]:
    status = (value.get("status") or _NOTHING).get("loadBalancer") or _NOTHING
    names = ((entry or _NOTHING).get("hostname") for entry in status.get("ingress") or ())
    return tuple(sorted({str(name) for name in names if name}))


def _source_ranges(spec: Mapping[str, Any]) -> tuple[str, ...]:
    found = (parse_cidr(text) for text in spec.get("loadBalancerSourceRanges") or ())
    return source_ranges(network for network in found if network is not None)


def _affinity_seconds(spec: Mapping[str, Any]) -> int:
    client_ip = (spec.get("sessionAffinityConfig") or _NOTHING).get("clientIP") or _NOTHING
    return int(client_ip.get("timeoutSeconds") or AFFINITY_SECONDS)
