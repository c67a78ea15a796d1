"""All backends, in the order their steps run within a phase: one literal."""

from __future__ import annotations

from svcform.backends.contract import Backend
from svcform.backends.dns.coredns import COREDNS
from svcform.backends.host import HOST
from svcform.backends.proxy.iptables import IPTABLES
from svcform.backends.proxy.ipvs import IPVS
from svcform.backends.proxy.nftables import NFTABLES
from svcform.backends.proxy.userspace import HEALTH, USERSPACE

BACKENDS: tuple[Backend, ...] = (HOST, IPVS, IPTABLES, NFTABLES, USERSPACE, HEALTH, COREDNS)

#: In the order in which checkpoints are put back: what rules lead to is there before the rules.
RESTORED: tuple[Backend, ...] = (HOST, USERSPACE, HEALTH, IPVS, IPTABLES, NFTABLES, COREDNS)
