"""kube-proxy's packet-flow cases, as real packets through every proxy backend.

Each case is applied to what the case before it left on the node.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest

from svcform.backends.contract import Backend
from tests.conformance.differences import as_svcform_does
from tests.conformance.packetflow import (
    NODE_ADDRESSES,
    Case,
    CaseFlow,
    is_double,
    judge,
    parameters,
)
from tests.flow.arena import Arena, Seen
from tests.flow.nodes import Nodes, open_nodes
from tests.flow.under_test import NodeUnderTest, intent_of, is_slow, proxies

pytestmark = pytest.mark.root
#: Enough to miss one of five endpoints once in 10^9 runs.
TRIES = 100


@pytest.fixture(scope="module")
def nodes(request: pytest.FixtureRequest) -> Iterator[Nodes]:
    with open_nodes(request, NODE_ADDRESSES) as opened:
        yield opened


@pytest.fixture
def node(nodes: Nodes, backend: Backend) -> NodeUnderTest:
    return nodes.of(backend)


def _runs() -> list[Any]:
    """All cases for all backends; the slow ones go without one that another mode has, too."""
    return [
        pytest.param(*case.values, backend, id=f"{case.id}-{backend.name}", marks=case.marks)
        for case in parameters()
        for backend in proxies()
        if not (is_slow(backend) and is_double(*case.values))
    ]


@pytest.mark.parametrize(("case", "backend"), _runs())
def test_packets_go_where_kube_proxys_tests_say(node: NodeUnderTest, backend: Backend, case: Case):
    settings = dataclasses.replace(case.world.settings, proxy_mode=backend.mode)
    node.apply(intent_of(dataclasses.replace(case.world, settings=settings)))

    tries = _try(node.arena, case)

    wrong = []
    for each, seen in zip(case.flows, tries, strict=True):
        expected = as_svcform_does(case, each, backend.mode)
        wrong.append(judge(expected, seen, sticky=case.is_sticky))
    assert [problem for problem in wrong if problem] == []


def _try(node: Arena, case: Case) -> list[list[Seen]]:
    """Send every flow of a case; with INPUT closed where the case is about opening it."""
    closed = any(each.expected == "ACCEPT" for each in case.flows)
    with _input_closed(node) if closed else contextlib.nullcontext():
        if node.terminates and case.is_sticky:
            # A proxy remembers a client once a connection of its is made, and not when it begins.
            node.send([each.flow for each in case.flows])
        sent = node.send([each.flow for each in case.flows for _ in range(_count(each))])
    seen = iter(sent)
    return [[next(seen) for _ in range(_count(each))] for each in case.flows]


def _count(each: CaseFlow) -> int:
    several = isinstance(each.expected, frozenset) and len(each.expected) > 1
    return TRIES if several else 2


@contextlib.contextmanager
def _input_closed(node: Arena) -> Iterator[None]:
    answers = ("INPUT", "-m", "conntrack", "--ctstate", "ESTABLISHED", "-j", "ACCEPT")
    node.run("iptables", "-w", "-A", *answers)
    node.run("iptables", "-w", "-P", "INPUT", "DROP")
    try:
        yield
    finally:
        node.run("iptables", "-w", "-D", *answers)
        node.run("iptables", "-w", "-P", "INPUT", "ACCEPT")
