"""Flows: connections to a node, or through it, that have to stay possible."""

from __future__ import annotations

from dataclasses import dataclass

from svcform.model.net import Family, Protocol, endpoint_text, family_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """New connections from any address of ``source`` (a CIDR) to one address and port.

    ``name`` says whose they are, as a person knows them: ``svcform's own connection``.
    """

    name: str
    protocol: Protocol
    source: str
    address: str
    port: int

    @property
    def family(self) -> Family:
        """The family of both sides."""
        return family_of(self.address)

    def __str__(self) -> str:
        source = self.source.removesuffix(f"/{self.family.bits}")
        target = endpoint_text(self.address, self.port)
        return f"{self.protocol.value.lower()}://{source} -> {target}"
