"""Endpoints of Services, whatever they were read from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from svcform.model.net import Family, Protocol


class Endpoint(NamedTuple):
    """One address and port of a Service's port (a tuple: there are 100,000 of them).

    ``address`` is canonical; ``node`` is the ``nodeName`` or None; ``zone_hints`` and
    ``node_hints`` are those of the slice; ``hostname``, ``pod`` and ``zone`` serve DNS.
    ``port`` is 0 where a headless Service's slice or pods offer none.
    The nil rules of EndpointSlices are already applied (kube-proxy v1.36 ``endpointslicecache.go``:
    ready nil is true, serving nil is true, terminating nil is false).
    """

    address: str
    port: int
    node: str | None = None
    ready: bool = True
    serving: bool = True
    terminating: bool = False
    zone_hints: tuple[str, ...] = ()
    node_hints: tuple[str, ...] = ()
    hostname: str = ""
    pod: str = ""
    zone: str = ""


class PortKey(NamedTuple):
    """Which port of a Service an endpoint belongs to: slices are matched by name and protocol."""

    name: str
    protocol: Protocol
    family: Family


#: The endpoints of one Service, port by port; sorted by the text ``address:port``, no duplicates.
ServiceEndpoints = Mapping[PortKey, tuple[Endpoint, ...]]
