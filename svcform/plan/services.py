"""The table of Services: what a node remembers in ``services.tsv``, what ``svcform get`` prints.

Live rules hold only addresses; a plan has to name what goes.
"""

from __future__ import annotations

from typing import NamedTuple


class ServiceRow(NamedTuple):
    """One Service port in one family on one node, as text.

    ``frontends`` are ``ClusterIP 10.96.0.1:80``-like texts (kind, space, address and port, node
    ports as ``NodePort :30080``), ``endpoints`` are ``address:port`` texts; both sorted.
    ``notes`` are short facts that change meaning without changing those two
    (``affinity 10800s``, ``externalTrafficPolicy Local``, ``from 192.0.2.0/24``), sorted.
    """

    name: str
    protocol: str
    family: str
    frontends: tuple[str, ...]
    endpoints: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells two rows of one node apart."""
        return (self.name, self.protocol, self.family)

    @property
    def service(self) -> str:
        """``namespace/name`` of the Service."""
        return self.name.partition(":")[0]


class ServiceChange(NamedTuple):
    """What becomes of one row; None means that it isn't there."""

    before: ServiceRow | None
    after: ServiceRow | None
