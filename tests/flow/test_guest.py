"""A guest kernel is as good a node as a namespace: iptables mode works in it the same."""

from __future__ import annotations

from random import Random

import pytest

from svcform.backends.proxy.iptables import IPTABLES
from tests.flow import worlds
from tests.flow.arena import Arena
from tests.flow.nodes import clear
from tests.flow.test_random_flows import wrong_flows
from tests.flow.under_test import NodeUnderTest, intent_of

pytestmark = pytest.mark.root


def test_iptables_mode_on_a_guest_kernel(guest: Arena):
    clear(guest)
    guest.set_addresses(worlds.NODE_ADDRESSES)
    node, random = NodeUnderTest(guest), Random(1)
    world = worlds.random_world(random, IPTABLES.mode)

    node.apply(intent_of(world))

    assert wrong_flows(node, world, worlds.flows(random, world)) == []
    assert node.changes_left(intent_of(world)) == {}


def test_a_packet_that_is_lost_in_a_guest_is_missed(guest: Arena):
    """Were the agent deaf, or late, all flows would look the same."""
    clear(guest)
    guest.set_addresses(worlds.NODE_ADDRESSES)
    node, random = NodeUnderTest(guest), Random(1)
    world = worlds.random_world(random, IPTABLES.mode)

    assert wrong_flows(node, world, worlds.flows(random, world)) != []
