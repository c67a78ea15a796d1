"""The one place where Service semantics are decided: Workspace in, an Intent for each node out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from svcform.model.net import family_of
from svcform.model.node import Node
from svcform.model.service import Service
from svcform.model.settings import ProxyMode, Settings
from svcform.model.workspace import Workspace
from svcform.model.zone import Zones
from svcform.policy.dns import decide_zones
from svcform.policy.dns_listen import (
    decide_own_addresses,
    decide_served_addresses,
    leave_to_coredns,
)
from svcform.policy.intent import Intent, PortGroup
from svcform.policy.node_class import NodeClass, intent_for, prepare
from svcform.policy.routes import Traits

_NOTHING = PortGroup(())


def decide(workspace: Workspace) -> Mapping[str, Intent]:
    """What each node should do, by the node's name in the inventory, in the workspace's order.

    Nodes with the same Services and the same traits share one ``common`` and one ``cluster_ips``.
    The semantics are kube-proxy's (v1.36); where its modes disagree, those of its nftables mode.
    A node without a proxy has no Service ports; an absent one wants nothing at all.
    """
    zones = decide_zones(workspace)
    own_addresses = decide_own_addresses(workspace)
    served = decide_served_addresses(workspace)
    services: dict[tuple[int, ...], tuple[Service, ...]] = {}
    classes: dict[tuple[tuple[int, ...], Traits], NodeClass] = {}
    intents: dict[str, Intent] = {}
    for node in workspace.nodes:
        if node.absent or node.settings.proxy_mode is ProxyMode.NONE:
            idle = _idle(node, zones.get(node.name))
            intents[node.name] = leave_to_coredns(idle, own_addresses.get(node.name, ()))
            continue
        if node.plays not in services:
            services[node.plays] = workspace.services_of(node.plays)
        key = (node.plays, _traits(node.settings))
        if key not in classes:
            classes[key] = prepare(services[node.plays], workspace.endpoints, key[1])
        intent = intent_for(node, classes[key])
        if node.name in zones:
            intent = replace(intent, zones=zones[node.name])
        intents[node.name] = leave_to_coredns(
            intent, own_addresses.get(node.name, ()), served.get(node.name, ())
        )
    return intents


def _traits(settings: Settings) -> Traits:
    return Traits(
        pod_families=frozenset(map(family_of, settings.pod_cidrs)),
        masquerade_all=settings.masquerade_all,
    )


def _idle(node: Node, zones: Zones | None) -> Intent:
    return Intent(
        node_name=node.name,
        settings=node.settings,
        common=_NOTHING,
        own=_NOTHING,
        cluster_ips=(),
        hairpin=(),
        health_check_node_ports=(),
        connection_host=node.connection.host,
        zones=zones,
        wanted=not node.absent,
    )
