"""What the rules of all nodes of a class depend on, apart from the Services."""

from __future__ import annotations

from dataclasses import dataclass

from svcform.lang.iptables import rule as r
from svcform.model.net import Family


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One family on nodes of one class.

    ``mark`` is the bit that means "masquerade".  ``knows_pods``: the node's own pods are known,
    and the bit is set, for everybody else, before a packet comes to a Service's rules; without,
    it is clear for everybody.  A pool that is used once and has no more than ``inline_limit``
    endpoints has no chain of its own.
    """

    family: Family
    mark: int
    service_cidrs: tuple[str, ...]
    knows_pods: bool
    inline_limit: int

    @property
    def set_mark(self) -> r.Target:
        """Masquerade the packet."""
        return r.SetMark(self.mark, self.mark)

    @property
    def clear_mark(self) -> r.Target:
        """Don't masquerade the packet."""
        return r.SetMark(0, self.mark)

    @property
    def marked(self) -> r.Match:
        """The packet is to be masqueraded."""
        return r.Mark(self.mark, self.mark)

    @property
    def unmarked(self) -> r.Match:
        """The packet is not to be masqueraded, as of now."""
        return r.Mark(self.mark, self.mark, negated=True)

    @property
    def reject(self) -> r.Target:
        """ICMP port unreachable, for every protocol."""
        return r.Reject(
            "icmp-port-unreachable" if self.family is Family.IPV4 else "icmp6-port-unreachable"
        )

    @property
    def host_mask(self) -> str:
        """The mask of one address, as xt_recent spells it."""
        return "255.255.255.255" if self.family is Family.IPV4 else ":".join(["ffff"] * 8)

    def host(self, address: str) -> str:
        """The CIDR of one address."""
        return f"{address}/{self.family.bits}"
