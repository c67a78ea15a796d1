"""The nodes of a module's tests: for each backend one that can carry it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pytest

from svcform.backends.contract import Backend
from svcform.backends.host import HOST
from svcform.backends.proxy.iptables import IPTABLES
from svcform.backends.proxy.nftables import NFTABLES
from svcform.model.settings import Settings
from tests.flow.arena import Kind, open_arena
from tests.flow.model import World
from tests.flow.under_test import NodeUnderTest, intent_of, kind_for, subjects
from tests.uml.guest import has_nftables

_CLEAR = """
for table in nat filter mangle; do printf '*%s\\nCOMMIT\\n' $table; done >/run/empty
iptables-restore /run/empty
ip6tables-restore /run/empty
[ ! -e /proc/net/ip_vs ] || { ipvsadm -C; ipset destroy; }
conntrack -F
"""


@dataclass(slots=True)
class Nodes:
    """Opened when they are asked for; see :func:`open_nodes`."""

    request: pytest.FixtureRequest
    addresses: Sequence[str]
    iptables: str
    stack: contextlib.ExitStack
    opened: dict[Kind, NodeUnderTest] = field(default_factory=dict)

    def of(self, backend: Backend) -> NodeUnderTest:
        """The node for a backend."""
        kind = kind_for(backend)
        if kind not in self.opened:
            open_one = {Kind.NAMESPACE: self._namespace, Kind.GUEST: self._guest}[kind]
            self.opened[kind] = open_one()
        return self.opened[kind]

    def of_both(self, one: Backend, another: Backend) -> NodeUnderTest:
        """The node for a change between two, which may meet all backends."""
        slow = max(one, another, key=lambda backend: kind_for(backend) is Kind.GUEST)
        if kind_for(slow) is Kind.GUEST and NFTABLES in (one, another) and not has_nftables():
            pytest.skip("the guest's kernel has no nftables for IP: .ci/uml-nftables says why")
        return NodeUnderTest(self.of(slow).arena, subjects())

    def _namespace(self) -> NodeUnderTest:
        folder = self.request.getfixturevalue("tmp_path_factory").mktemp("arena")
        arena = open_arena(folder, self.addresses, self.iptables)
        return NodeUnderTest(self.stack.enter_context(arena))

    def _guest(self) -> NodeUnderTest:
        """The guest of all modules, as if it were new."""
        node: NodeUnderTest = self.request.getfixturevalue("guest")
        clear(node, self.addresses)
        return node


@contextlib.contextmanager
def open_nodes(
    request: pytest.FixtureRequest, addresses: Sequence[str], iptables: str = "nft"
) -> Iterator[Nodes]:
    """Nodes with these addresses, for a fixture of a module; ``iptables`` is for namespaces."""
    with contextlib.ExitStack() as stack:
        yield Nodes(request, addresses, iptables, stack)


def guest_subjects() -> list[Backend]:
    """The backends that come to guests, and those that carry rules for them."""
    carriers = (HOST, IPTABLES)
    return [x for x in subjects() if x in carriers or kind_for(x) is Kind.GUEST]


def clear(node: NodeUnderTest, addresses: Sequence[str]) -> None:
    """Make a node as good as new: take away svcform's, by an apply, and other people's."""
    if node.arena.addresses:
        nobody = World({}, {}, Settings(), ("192.0.2.1",))
        node.apply(intent_of(nobody, absent=True))
        node.arena.run("sh", "-ec", _CLEAR)
    node.arena.set_addresses(addresses)
    node.facts = None
