"""The API server's rules for a Service, as far as a schema can't say them.

From Kubernetes v1.36, ``pkg/apis/core/validation`` (ValidateService), as a user meets them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from svcform.diagnostics import Diagnostic, Severity
from svcform.inputs.addresses import canonical_address, is_special, parse_address, parse_cidr
from svcform.inputs.broken_parts import BrokenParts, broken_parts
from svcform.inputs.locate import KEY
from svcform.inputs.manifests import RawObject
from svcform.inputs.service_port_checks import check_ports
from svcform.inputs.services import cluster_ips_of, key_of
from svcform.lang.ipvs.service import SCHEDULERS
from svcform.model.net import family_of
from svcform.policy.services import SCHEDULER_ANNOTATION

_label = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?").fullmatch
_subdomain = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*")
_label_key = re.compile(r"(?:[a-z0-9][-a-z0-9.]{0,252}/)?[A-Za-z0-9](?:[-\w.]{0,61}[A-Za-z0-9])?")
_label_value = re.compile(r"(?:[A-Za-z0-9](?:[-\w.]{0,61}[A-Za-z0-9])?)?", re.ASCII)

_ONLY_LOAD_BALANCER = (
    "loadBalancerIP",
    "loadBalancerClass",
    "loadBalancerSourceRanges",
    "allocateLoadBalancerNodePorts",
)

Path = tuple[str | int, ...]


def check_service(item: RawObject) -> Iterator[Diagnostic]:
    """Everything that the API server would refuse in this Service."""
    return _check(item, BrokenParts())


def check_sound_parts(item: RawObject, problems: Iterable[Diagnostic]) -> Iterator[Diagnostic]:
    """The same of a Service that its schema refuses, in the parts that ``problems`` don't touch."""
    known = {*frozenset().union(*(fields for fields, _ in _CHECKS)), *_READ_BY_PORTS}
    broken = broken_parts(item.path, problems, known)
    return iter(()) if broken.everything else _check(item, broken)


def _check(item: RawObject, broken: BrokenParts) -> Iterator[Diagnostic]:
    spec = item.value["spec"]
    kind = spec.get("type") or "ClusterIP"
    for fields, check in _CHECKS:
        if broken.fields.isdisjoint(fields):
            yield from check(item, spec, kind)
    if broken.fields.isdisjoint(_READ_BY_PORTS):
        yield from check_ports(item, broken.ports)


def wrong(item: RawObject, path: Path, detail: str) -> Diagnostic:
    """A value that the API server would refuse."""
    return Diagnostic(
        "SVC202",
        Severity.ERROR,
        "The API server would refuse this Service",
        f"Service {key_of(item)}: {detail}",
        item.origin.at(*path),
    )


def _names(item: RawObject, _spec: Mapping[str, Any], _kind: str) -> Iterator[Diagnostic]:
    key = key_of(item)
    rule = "lower case letters, digits and '-', at most 63, with no '-' at either end"
    if not key.name:
        yield wrong(item, ("metadata",), "it has no metadata.name; give it one.")
    elif not _label(key.name):
        path = ("metadata", "name")
        yield wrong(item, path, f"the name {key.name!r} is no DNS label ({rule}).")
    if not _label(key.namespace):
        path = ("metadata", "namespace")
        yield wrong(item, path, f"the namespace {key.namespace!r} is no DNS label ({rule}).")


def _labels(item: RawObject, _spec: Mapping[str, Any], _kind: str) -> Iterator[Diagnostic]:
    yield from _label_pairs(item, ("metadata", "labels"), item.value["metadata"].get("labels"))


def _selector(item: RawObject, spec: Mapping[str, Any], _kind: str) -> Iterator[Diagnostic]:
    yield from _label_pairs(item, ("spec", "selector"), spec.get("selector"))


def _label_pairs(
    item: RawObject, where: Path, labels: Mapping[str, str | None] | None
) -> Iterator[Diagnostic]:
    for name, value in (labels or {}).items():
        if not _label_key.fullmatch(name):
            yield wrong(item, (*where, name, KEY), f"{name!r} is no name of a label.")
        elif not _label_value.fullmatch(value or ""):
            detail = (
                f"{value!r} is no value of a label (letters, digits, '-', '_' and '.', at "
                "most 63, a letter or digit at either end)."
            )
            yield wrong(item, (*where, name), detail)


def _scheduler(item: RawObject, _spec: Mapping[str, Any], _kind: str) -> Iterator[Diagnostic]:
    asked = (item.value["metadata"].get("annotations") or {}).get(SCHEDULER_ANNOTATION)
    if asked is not None and asked not in SCHEDULERS:
        yield Diagnostic(
            "SVC257",
            Severity.ERROR,
            "IPVS has no such scheduler",
            f"Service {key_of(item)} asks for the scheduler {asked!r} by the annotation "
            f"{SCHEDULER_ANNOTATION}; choose one of {', '.join(SCHEDULERS)}.",
            item.origin.at("metadata", "annotations", SCHEDULER_ANNOTATION),
        )


def _external_ips(item: RawObject, spec: Mapping[str, Any], _kind: str) -> Iterator[Diagnostic]:
    for number, text in enumerate(spec.get("externalIPs") or ()):
        address = parse_address(text)
        path = ("spec", "externalIPs", number)
        if address is None:
            yield wrong(item, path, f"{text!r} in externalIPs is no IP address.")
        elif special := is_special(address):
            yield wrong(item, path, f"{text} in externalIPs is {special}; nobody can reach that.")


def _ingress(item: RawObject, _spec: Mapping[str, Any], _kind: str) -> Iterator[Diagnostic]:
    status = (item.value.get("status") or {}).get("loadBalancer") or {}
    for number, entry in enumerate(status.get("ingress") or ()):
        if entry.get("ip") and canonical_address(entry["ip"]) is None:
            detail = f"{entry['ip']!r} is no IP address."
            yield wrong(item, ("status", "loadBalancer", "ingress", number, "ip"), detail)


def _cluster_ips(item: RawObject, spec: Mapping[str, Any], kind: str) -> Iterator[Diagnostic]:
    given = cluster_ips_of(spec)
    single = spec.get("clusterIP")
    path: Path = ("spec", "clusterIPs") if spec.get("clusterIPs") else ("spec", "clusterIP")
    if kind == "ExternalName":
        if given and given != ["None"]:
            yield wrong(item, path, "an ExternalName has no clusterIP; remove it.")
        return
    if single and given and single != given[0]:
        detail = f"clusterIP is {single} and clusterIPs[0] is {given[0]}; they must be the same."
        yield wrong(item, ("spec", "clusterIP"), detail)
    if "None" in given:
        if len(given) > 1:
            yield wrong(item, path, "`None` means no clusterIP at all; it stands alone.")
        if kind != "ClusterIP":
            detail = f"a headless Service (clusterIP: None) can't be of type {kind}."
            yield wrong(item, path, detail)
        given = []
    yield from _families(item, spec, given, path)


def _families(
    item: RawObject, spec: Mapping[str, Any], given: list[str], path: Path
) -> Iterator[Diagnostic]:
    addresses = []
    for text in given:
        address = canonical_address(text)
        if address is None:
            yield wrong(item, path, f"{text!r} is no IP address.")
            return
        addresses.append(address)
    families = [family_of(address).value for address in addresses]
    listed = spec.get("ipFamilies") or []
    if len(addresses) > 2 or len(set(families)) < len(families):
        yield wrong(item, path, "there is at most one clusterIP of each family.")
    if len(set(listed)) < len(listed):
        yield wrong(item, ("spec", "ipFamilies"), "a family is in ipFamilies twice.")
    elif listed and families != listed[: len(families)]:
        detail = f"the clusterIPs are {', '.join(families)}, and ipFamilies {', '.join(listed)}."
        yield wrong(item, path, detail)
    policy = spec.get("ipFamilyPolicy") or "SingleStack"
    if policy == "SingleStack" and max(len(set(listed)), len(set(families))) > 1:
        where = ("spec", "ipFamilies") if len(listed) > 1 else path
        detail = "two families need ipFamilyPolicy: PreferDualStack or RequireDualStack."
        yield wrong(item, where, detail)


def _external_name(item: RawObject, spec: Mapping[str, Any], kind: str) -> Iterator[Diagnostic]:
    name = (spec.get("externalName") or "").removesuffix(".")
    if kind != "ExternalName":
        return
    if not name:
        yield wrong(item, ("spec",), "an ExternalName needs spec.externalName.")
    elif len(name) > 253 or not _subdomain.fullmatch(name):
        yield wrong(item, ("spec", "externalName"), f"{name!r} is no DNS name in lower case.")


def _policies(item: RawObject, spec: Mapping[str, Any], kind: str) -> Iterator[Diagnostic]:
    affinity = spec.get("sessionAffinityConfig")
    if affinity and spec.get("sessionAffinity") != "ClientIP":
        path: Path = ("spec", "sessionAffinityConfig")
        yield wrong(item, path, "sessionAffinityConfig needs sessionAffinity: ClientIP.")
    external = spec.get("externalTrafficPolicy")
    reachable = kind in ("NodePort", "LoadBalancer") or bool(spec.get("externalIPs"))
    if external and not reachable:
        detail = (
            "externalTrafficPolicy is only for Services that are reached from outside: type "
            "NodePort or LoadBalancer, or with externalIPs."
        )
        yield wrong(item, ("spec", "externalTrafficPolicy"), detail)
    if spec.get("healthCheckNodePort") and (kind, external) != ("LoadBalancer", "Local"):
        detail = (
            "healthCheckNodePort is only for type LoadBalancer with externalTrafficPolicy: Local."
        )
        yield wrong(item, ("spec", "healthCheckNodePort"), detail)


def _load_balancer(item: RawObject, spec: Mapping[str, Any], kind: str) -> Iterator[Diagnostic]:
    if kind != "LoadBalancer":
        for name in _ONLY_LOAD_BALANCER:
            if spec.get(name) not in (None, "", []):
                yield wrong(item, ("spec", name), f"{name} is only for type LoadBalancer.")
        return
    address = spec.get("loadBalancerIP")
    if address and canonical_address(address) is None:
        yield wrong(item, ("spec", "loadBalancerIP"), f"{address!r} is no IP address.")
    for number, text in enumerate(spec.get("loadBalancerSourceRanges") or ()):
        if parse_cidr(text) is None:
            path = ("spec", "loadBalancerSourceRanges", number)
            yield wrong(item, path, f"{text!r} is no CIDR such as 192.0.2.0/24.")


_Check = Callable[[RawObject, Mapping[str, Any], str], Iterator[Diagnostic]]

_READ_BY_PORTS = {"ports", "type", "clusterIP", "clusterIPs"}
#: Each check with the fields that it reads.
_CHECKS: tuple[tuple[frozenset[str], _Check], ...] = (
    (frozenset({"name", "namespace"}), _names),
    (frozenset({"labels"}), _labels),
    (frozenset({"selector"}), _selector),
    (frozenset({"type", "clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"}), _cluster_ips),
    (frozenset({"externalIPs"}), _external_ips),
    (frozenset({"status"}), _ingress),
    (frozenset({"type", "externalName"}), _external_name),
    (
        frozenset(
            {
                "type",
                "sessionAffinity",
                "sessionAffinityConfig",
                "externalTrafficPolicy",
                "externalIPs",
                "healthCheckNodePort",
            }
        ),
        _policies,
    ),
    (frozenset({"type", *_ONLY_LOAD_BALANCER}), _load_balancer),
    (frozenset({"annotations"}), _scheduler),
)
