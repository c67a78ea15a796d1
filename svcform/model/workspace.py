"""The workspace: everything one run has read, checked and resolved; frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from svcform.model.endpoint import ServiceEndpoints
from svcform.model.node import Node, Play
from svcform.model.service import NamespacedName, Service


class PodAddress(NamedTuple):
    """An address of a pod, canonical, and the pod's namespace: what names of pods are made of."""

    namespace: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, weakref_slot=True)
class Workspace:
    """One project, one cluster; compared by identity.

    ``nodes`` are those that a play chose, in the plays' order.  ``services`` holds every Service
    of every play, sorted by key; ``play_services[i]`` the keys of play ``i``, sorted.
    ``endpoints`` has an entry for each Service.
    The rest serves DNS: ``namespaces`` are those that have an object, ``pods`` all addresses of
    pods (both empty where no node serves DNS), ``play_nodes`` the nodes of all plays, whatever
    ``nodes`` are limited to.
    """

    project_id: str
    root: str
    plays: tuple[Play, ...] = ()
    nodes: tuple[Node, ...] = ()
    services: Mapping[NamespacedName, Service] = field(default_factory=lambda: MappingProxyType({}))
    endpoints: Mapping[NamespacedName, ServiceEndpoints] = field(
        default_factory=lambda: MappingProxyType({})
    )
    play_services: tuple[tuple[NamespacedName, ...], ...] = ()
    namespaces: frozenset[str] = frozenset()
    pods: tuple[PodAddress, ...] = ()
    play_nodes: tuple[Node, ...] = ()

    def services_of(self, plays: tuple[int, ...]) -> tuple[Service, ...]:
        """The Services of some plays, each once, sorted by key."""
        keys = sorted({key for play in plays for key in self.play_services[play]})
        return tuple(self.services[key] for key in keys)
