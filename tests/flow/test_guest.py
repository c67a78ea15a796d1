"""A guest kernel is as good a node as a namespace: iptables mode works in it the same."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

from svcform.backends.host import HOST
from svcform.backends.proxy.iptables import IPTABLES
from tests.flow import worlds
from tests.flow.nodes import clear
from tests.flow.test_random_flows import wrong_flows
from tests.flow.under_test import NodeUnderTest, intent_of

pytestmark = pytest.mark.root


@pytest.fixture
def node(guest: NodeUnderTest) -> Iterator[NodeUnderTest]:
    """The guest, for iptables mode; none of it is left there afterwards."""
    clear(guest, worlds.NODE_ADDRESSES)
    node = NodeUnderTest(guest.arena, (HOST, IPTABLES))
    yield node
    clear(node, worlds.NODE_ADDRESSES)


def test_iptables_mode_on_a_guest_kernel(node: NodeUnderTest):
    random = Random(1)
    world = worlds.random_world(random, IPTABLES.mode, services=2)
    flows = worlds.flows(random, world)
    # Were the agent deaf, or late, all flows would look the same.
    assert wrong_flows(node, world, flows) != []

    node.apply(intent_of(world))

    assert wrong_flows(node, world, flows) == []
    assert node.changes_left(intent_of(world)) == {}
