"""What one node should do, with no tool's syntax in it.

A backend walks ``common`` and ``own`` and translates; it decides nothing about Services.  All
nodes of a class hold *the same* ``common`` object, so what a backend makes of it can be shared,
too (``is`` tells).  Which Service ports are in ``own`` depends on the Services and on nothing that
differs between the nodes of a class: the list of names is the same on all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from svcform.model.net import Family, Protocol
from svcform.model.service import NamespacedName, TrafficPolicy
from svcform.model.settings import Settings
from svcform.model.zone import Zones


class Destination(NamedTuple):
    """One endpoint as a packet sees it: canonical address and port."""

    address: str
    port: int


class Verdict(Enum):
    """What becomes of a packet that goes to no endpoint.

    REJECT is ICMP port unreachable (3/3, ICMPv6 1/4) for every protocol.
    """

    REJECT = "reject"
    DROP = "drop"


class Source(Enum):
    """Who sends a packet.

    LOCAL_POD: the source is in the node's ``pod_cidrs``.  NODE: the source is an address of the
    node itself.  ANY: everybody.
    """

    LOCAL_POD = "local-pod"
    NODE = "node"
    ANY = "any"


class Masquerade(Enum):
    """Whether the source is rewritten.

    UNLESS_LOCAL_POD: masqueraded if the source is not in the node's ``pod_cidrs`` (that includes
    the node itself).  With no ``pod_cidrs`` of the family the policy says NEVER instead.
    """

    NEVER = "never"
    UNLESS_LOCAL_POD = "unless-local-pod"
    ALWAYS = "always"


class FrontendKind(Enum):
    """What an address is to a Service."""

    CLUSTER_IP = "ClusterIP"
    NODE_PORT = "NodePort"
    EXTERNAL_IP = "ExternalIP"
    LOAD_BALANCER = "LoadBalancer"


@dataclass(frozen=True, slots=True)
class Pool:
    """Where traffic is spread: each destination is equally likely, for each new connection.

    Never empty.  With ``affinity_seconds`` a client that was seen within so many seconds goes
    where it went before, if that destination is still there; being seen renews the time.
    Affinity is one for all frontends of the Service port that use equal pools.
    Destinations are sorted by the text ``address:port``.
    """

    destinations: tuple[Destination, ...]
    affinity_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """For packets from ``source``: where to, and masqueraded or not."""

    source: Source
    to: Pool | Verdict
    masquerade: Masquerade = Masquerade.NEVER


@dataclass(frozen=True, slots=True)
class Frontend:
    """An address, port and protocol that catches packets.

    ``address`` is None for a node port: it is on the addresses that
    :func:`svcform.policy.node_addresses.resolve` gives for the node.
    ``routes`` are tried in order; the last one is for ANY.
    With ``allowed_sources`` (CIDRs, never empty tuple) any other source is dropped first, whatever
    the routes say, except that a packet is let in whose source is one of ``own_addresses`` (the
    Service's own load-balancer addresses) where the node's primary address is in the ranges.
    """

    kind: FrontendKind
    address: str | None
    port: int
    protocol: Protocol
    routes: tuple[Route, ...]
    allowed_sources: tuple[str, ...] | None = None
    own_addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PortIntent:
    """One port of one Service in one family, with its frontends.

    ``frontends`` are sorted by kind, address and port.  Those of one kind have equal routes, and
    so have all that are no clusterIP.
    ``endpoints`` are all destinations that any frontend can reach, sorted and without duplicates.
    The two policies are already in the routes; they are here for people, and say Local only where
    the port has a frontend that follows them.
    ``health_check_node_port`` is the Service's, 0 for none.
    ``scheduler`` is IPVS's name for how the Service wants connections spread, empty for the node's
    own choice; other modes have one way only.
    ``serving`` are the endpoints with which a UDP client may stay, whether new ones reach them or
    not; ``draining`` are those of them that this node used and that only terminate by now.  Both
    are empty for other protocols, whose connections end by themselves.
    """

    service: NamespacedName
    port_name: str
    protocol: Protocol
    family: Family
    frontends: tuple[Frontend, ...]
    endpoints: tuple[Destination, ...]
    internal_policy: TrafficPolicy = TrafficPolicy.CLUSTER
    external_policy: TrafficPolicy = TrafficPolicy.CLUSTER
    serving: tuple[Destination, ...] = ()
    draining: tuple[Destination, ...] = ()
    health_check_node_port: int = 0
    scheduler: str = ""

    @property
    def name(self) -> str:
        """``namespace/name:port``, or ``namespace/name`` if the port has no name."""
        return f"{self.service}:{self.port_name}" if self.port_name else str(self.service)


class HealthCheck(NamedTuple):
    """What a load balancer asks a node, over HTTP, about a Service with traffic policy Local.

    ``local_endpoints`` are the ready ones on this node, of the family that has most.
    """

    service: NamespacedName
    port: int
    local_endpoints: int


@dataclass(frozen=True, slots=True, eq=False)
class PortGroup:
    """Service ports, sorted by service, port name, protocol and family; compared by identity."""

    ports: tuple[PortIntent, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Intent:
    """What one node should do.

    ``common`` is shared by the nodes of a class; ``own`` depends on the node's name or zone.
    ``cluster_ips`` are all clusterIPs of the node's Services (canonical, sorted, shared by the
    class): a packet to one of them that no frontend takes is rejected.  A packet to any other
    address inside ``settings.service_cidrs`` that no frontend takes is dropped.
    ``hairpin`` are the endpoint addresses from which a packet can come back to itself through
    this node: those are masqueraded if source and destination are the same.
    ``health_check_node_ports`` are accepted in INPUT (TCP); ``health_checks`` are what is to be
    answered there.
    ``connection_host`` is how the node is reached, a name or an address; with the facts,
    :func:`svcform.policy.node_addresses.resolve` makes the node's addresses of it.
    ``own_addresses`` are Services' addresses, and a link-local one, that the node has itself as its
    CoreDNS serves there (canonical, sorted): they are in no ``cluster_ips``, and the node's
    ``settings.service_cidrs`` leave them out.
    ``zones`` are what the node serves over DNS, one object for all nodes that serve the same; None
    where it serves none.
    With ``wanted`` False nothing of svcform's should be on the node.
    """

    node_name: str
    settings: Settings
    common: PortGroup
    own: PortGroup
    cluster_ips: tuple[str, ...]
    hairpin: tuple[str, ...]
    health_check_node_ports: tuple[int, ...]
    health_checks: tuple[HealthCheck, ...] = ()
    connection_host: str = ""
    own_addresses: tuple[str, ...] = ()
    zones: Zones | None = None
    wanted: bool = True
