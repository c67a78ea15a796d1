"""What the lock file holds of one Service: the values that its manifest leaves out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from svcform.diagnostics import Location
from svcform.model.service import ServicePort


@dataclass(frozen=True, slots=True, kw_only=True)
class LockEntry:
    """The allocated values of one Service.

    Addresses are canonical, at most one a family.  ``node_ports`` is keyed by :func:`port_id`.
    ``where`` is the line in the lock file, None for an entry that isn't in it yet.
    """

    cluster_ips: tuple[str, ...] = ()
    node_ports: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    load_balancer_ips: tuple[str, ...] = ()
    where: Location | None = field(default=None, compare=False)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was allocated."""
        return not (self.cluster_ips or self.node_ports or self.load_balancer_ips)


def port_id(port: ServicePort) -> str:
    """How the lock file calls a port: ``http/TCP``, or ``80/TCP`` without a name."""
    return f"{port.name or port.port}/{port.protocol.value}"
