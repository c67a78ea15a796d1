"""Workloads whose replicas a play places: Deployments and their like, where no API server runs."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from svcform.diagnostics import Diagnostic, Severity
from svcform.inputs.addresses import canonical_address
from svcform.inputs.kinds import DAEMON_SET, STATEFUL_SET
from svcform.inputs.manifests import RawObject
from svcform.inputs.pods import Pod, labels_of, named_ports
from svcform.inputs.project import Placement
from svcform.inputs.services import key_of
from svcform.model.node import Node
from svcform.model.service import NamespacedName

_NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Placements:
    """Where replicas run: what the plays say, and the nodes that they may mean.

    ``daemon_nodes`` are, for a DaemonSet that no play places, the nodes of its plays.  ``zones``
    has the zone of each node that has one, by its name in Kubernetes.
    """

    by_workload: Mapping[NamespacedName, Sequence[Placement]] = field(default_factory=dict)
    nodes: Mapping[str, Node] = field(default_factory=dict)
    daemon_nodes: Mapping[NamespacedName, Sequence[str]] = field(default_factory=dict)
    zones: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Workload:
    """A workload, and the labels of its pods (also if no replica is placed anywhere)."""

    key: NamespacedName
    kind: str
    labels: Mapping[str, str]
    pods: tuple[Pod, ...]


def read_workload(item: RawObject, placements: Placements) -> tuple[Workload, list[Diagnostic]]:
    """A workload with a pod for each replica that is placed."""
    key = key_of(item)
    spec = item.value["spec"]
    template = spec.get("template") or _NOTHING
    placed, diagnostics = _placements(item, key, placements)
    pods: list[Pod] = []
    for number, placement in enumerate(placed):
        addresses, problem = _addresses(placement, key, placements.nodes)
        if problem:
            diagnostics.append(problem)
            continue
        pods.append(_replica(item, template, number, (addresses, placement.node), placements))
    labels = labels_of(template.get("metadata") or _NOTHING)
    return Workload(key, item.kind.name, labels, tuple(pods)), diagnostics


def _placements(
    item: RawObject, key: NamespacedName, placements: Placements
) -> tuple[Sequence[Placement], list[Diagnostic]]:
    given = placements.by_workload.get(key)
    if item.kind is DAEMON_SET:
        if given is None:
            nodes = placements.daemon_nodes.get(key, ())
            return [Placement(node=node, origin=item.origin) for node in nodes], []
        return given, []
    if given is None:
        return [], []
    replicas = item.value["spec"].get("replicas")
    if replicas is None or replicas == len(given):
        return given, []
    return given, [_wrong_count(item, key, int(replicas), given)]


def _wrong_count(
    item: RawObject, key: NamespacedName, replicas: int, given: Sequence[Placement]
) -> Diagnostic:
    detail = (
        f"The {item.kind.name} {key} has {replicas} replicas, and the play's `workloads` places "
        f"{len(given)}; "
    )
    if len(given) > replicas:
        detail += "raise `replicas`, or remove places."
        where = given[replicas].origin
        return Diagnostic("SVC231", Severity.ERROR, "More places than replicas", detail, where)
    detail += "its Services get an endpoint for each place. Add the places that are missing."
    return Diagnostic(
        "SVC232",
        Severity.WARNING,
        "Fewer places than replicas",
        detail,
        given[0].origin if given else item.origin,
    )


def _addresses(
    placement: Placement, key: NamespacedName, nodes: Mapping[str, Node]
) -> tuple[tuple[str, ...], Diagnostic | None]:
    if placement.address is not None:
        address = canonical_address(placement.address)
        return ((address,), None) if address else ((), None)
    node = nodes.get(placement.node or "")
    if node is None:
        return (), _unknown_node(placement, key)
    found = node_addresses(node)
    if found:
        return found, None
    return (), Diagnostic(
        "SVC233",
        Severity.ERROR,
        "The address of a node isn't known",
        f"A replica of {key} runs on {node.name}, whose address other nodes need, but its "
        f"ansible_host ({node.connection.host}) is a name; set `node_ip` for it in the inventory.",
        placement.origin,
    )


def _unknown_node(placement: Placement, key: NamespacedName) -> Diagnostic:
    return Diagnostic(
        "SVC234",
        Severity.ERROR,
        "A workload is placed on a node that no play has",
        f"`workloads` puts a replica of {key} on {placement.node!r}, which is no node of any play; "
        "name a node that a play's `hosts` matches, or give the replica's address "
        f"(ADDRESS@{placement.node}).",
        placement.origin,
    )


def node_addresses(node: Node) -> tuple[str, ...]:
    """A node's own addresses as far as the inventory says: ``node_ip``, else ``ansible_host``."""
    if node.settings.node_ip:
        return node.settings.node_ip
    address = canonical_address(node.connection.host)
    return (address,) if address else ()


def _replica(
    item: RawObject,
    template: Mapping[str, Any],
    number: int,
    place: tuple[tuple[str, ...], str | None],
    placements: Placements,
) -> Pod:
    key = key_of(item)
    spec = template.get("spec") or _NOTHING
    addresses, node = place
    name, subdomain = "", spec.get("subdomain") or ""
    hostname = spec.get("hostname") or ""
    if item.kind is STATEFUL_SET:
        # A stateful pod's hostname is its own name, its subdomain the governing Service.
        ordinals = item.value["spec"].get("ordinals") or _NOTHING
        name = hostname = f"{key.name}-{int(ordinals.get('start') or 0) + number}"
        subdomain = item.value["spec"].get("serviceName") or ""
    return Pod(
        key.namespace,
        name,
        labels_of(template.get("metadata") or _NOTHING),
        addresses,
        named_ports(spec),
        item.origin,
        node=_node_name(node, placements.nodes) or spec.get("nodeName"),
        hostname=hostname,
        subdomain=subdomain,
        placed=True,
    )


def _node_name(name: str | None, nodes: Mapping[str, Node]) -> str | None:
    node = nodes.get(name or "")
    return (node.settings.node_name or node.name) if node else name


def unite_placements(
    plays: Sequence[Mapping[NamespacedName, Sequence[Placement]]],
) -> tuple[dict[NamespacedName, Sequence[Placement]], list[Diagnostic]]:
    """The placements of all plays; a workload that two plays place differently is an error."""
    found: dict[NamespacedName, Sequence[Placement]] = {}
    problems = []
    for workloads in plays:
        for key, given in workloads.items():
            if found.setdefault(key, given) != given:
                detail = (
                    f"Two plays place {key} differently, but a workload is one in the whole "
                    "project; list all of its places in one of them."
                )
                where = given[0].origin if given else None
                problems.append(
                    Diagnostic(
                        "SVC235",
                        Severity.ERROR,
                        "Two plays place one workload differently",
                        detail,
                        where,
                    )
                )
    return found, problems


def unknown_workloads(
    workloads: Sequence[Workload], placements: Placements
) -> Iterator[Diagnostic]:
    """A warning for each placed workload that no manifest has."""
    known = {workload.key for workload in workloads}
    for key, given in placements.by_workload.items():
        if key not in known:
            detail = f"The play's `workloads` places {key}, and no manifest has a workload of "
            near = difflib.get_close_matches(str(key), map(str, known), n=1)
            detail += f"that name; did you mean {near[0]}?" if near else "that name."
            yield Diagnostic(
                "SVC236",
                Severity.WARNING,
                "A workload that isn't there is placed",
                detail,
                given[0].origin if given else None,
            )
