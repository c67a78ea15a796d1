"""Policy and the independent model agree on every packet of hundreds of random worlds.

The same worlds are tried with real packets, more slowly, in ``tests/flow``.
"""

from __future__ import annotations

from ipaddress import ip_address
from random import Random

import pytest

from svcform.model.settings import ProxyMode
from tests.conformance.decided import Meets, decided, meets
from tests.flow import worlds
from tests.flow.arena import Flow
from tests.flow.model import Expected, World, expect

WORLDS = 30


def disagreement(found: Meets, expected: Expected, flow: Flow) -> str:
    if found.verdict == "NONE":
        found = unserved(flow)
    agrees = (
        found.verdict == expected.verdict
        and found.endpoints == expected.endpoints
        and found.masqueraded - expected.either == expected.masqueraded - expected.either
    )
    return "" if agrees else f"{flow}: policy says {found}, the model {expected}"


def unserved(flow: Flow) -> Meets:
    """What becomes of a packet that is no Service's: the kernel drops martians by itself."""
    if ip_address(flow.destination).is_loopback and not ip_address(flow.source).is_loopback:
        return Meets("DROP")
    return Meets("delivered", frozenset({(flow.destination, flow.port)}))


def disagreements(world: World, flows: list[Flow]) -> list[str]:
    intent, addresses = decided(world)
    found = (
        disagreement(meets(flow, world, intent, addresses), expect(world, flow), flow)
        for flow in flows
    )
    return [text for text in found if text]


@pytest.mark.parametrize("seed", range(8), ids=lambda seed: f"seed-{seed}")
def test_policy_and_the_model_agree(seed: int):
    random = Random(seed)
    for _ in range(WORLDS):
        world = worlds.random_world(random, ProxyMode.IPTABLES)
        assert disagreements(world, worlds.flows(random, world)) == []
