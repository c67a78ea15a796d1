"""kube-proxy's packet-flow cases, as real packets through every proxy backend.

Every case is tried in every mode, also those of another mode of kube-proxy's: what a mode does
otherwise is in :mod:`tests.conformance.differences`, and is asserted as well.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from svcform.backends.contract import Backend
from svcform.backends.proxy.iptables import IPTABLES
from svcform.backends.proxy.userspace import USERSPACE
from svcform.model.settings import ProxyMode
from tests.conformance.differences import as_svcform_does
from tests.conformance.packetflow import (
    MISSING,
    NODE_ADDRESSES,
    Case,
    CaseFlow,
    beside_each_other,
    judge,
    parameters,
    rounds,
)
from tests.flow.arena import Arena, Kind
from tests.flow.model import World
from tests.flow.nodes import Nodes, open_nodes
from tests.flow.under_test import NodeUnderTest, intent_of, is_slow, kind_for, proxies

pytestmark = pytest.mark.root
#: How often an endpoint may be missed that is there.
CHANCE = 1e-9
#: Tries where the mode's endpoints take turns: two rounds and more.
TURNS = 12
TAKING_TURNS = {ProxyMode.IPVS, ProxyMode.USERSPACE}


@dataclass(frozen=True, slots=True)
class Subject:
    """A backend, and the variant of iptables on its node: ``none`` where there is none."""

    backend: Backend
    iptables: str

    @property
    def mode(self) -> ProxyMode:
        assert self.backend.mode is not None
        return self.backend.mode

    def __str__(self) -> str:
        return f"{self.backend.name}-{self.iptables}"


def _subjects() -> list[Subject]:
    """Where an apply takes a second or more, and the variants: many cases stand in one apply."""
    slow = [
        Subject(backend, "legacy" if kind_for(backend) is Kind.GUEST else "nft")
        for backend in proxies()
        if is_slow(backend)
    ]
    return [*slow, Subject(IPTABLES, "legacy"), Subject(USERSPACE, "none")]


@pytest.fixture(scope="module")
def nodes(request: pytest.FixtureRequest) -> Iterator[dict[str, Nodes]]:
    with contextlib.ExitStack() as stack:
        yield {
            variant: stack.enter_context(open_nodes(request, NODE_ADDRESSES, variant))
            for variant in ("nft", "legacy", "none")
        }


def _cases() -> list[Any]:
    """Each case by itself, where an apply is a matter of milliseconds."""
    return [
        pytest.param(*case.values, backend, id=f"{case.id}-{backend.name}", marks=case.marks)
        for case in parameters()
        for backend in proxies()
        if not is_slow(backend)
    ]


@pytest.mark.parametrize(("case", "backend"), _cases())
def test_packets_go_where_kube_proxys_tests_say(
    nodes: dict[str, Nodes], backend: Backend, case: Case
):
    """Each case is applied to what the case before it left on the node."""
    assert _wrong(nodes["nft"].of(backend), Subject(backend, "nft"), case.world, [case]) == []


def _rounds() -> list[Any]:
    found = [
        pytest.param(subject, each, id=f"{each[0][0].name}-and-{len(each[0]) - 1}-{subject}")
        for each in rounds()
        for subject in _subjects()
    ]
    return found or [pytest.param(None, (), marks=pytest.mark.skip(reason=MISSING))]


@pytest.mark.parametrize(("subject", "each"), _rounds())
def test_packets_of_many_cases_go_where_kube_proxys_tests_say(
    nodes: dict[str, Nodes], subject: Subject, each: tuple[tuple[Case, ...], ...]
):
    """Cases with the same settings stand on one node, each on ports of its own."""
    node = nodes[subject.iptables].of(subject.backend)
    there: dict[str, Case] = {}
    for cases in each:
        there |= {case.follows or case.name: case for case in cases}

        assert _wrong(node, subject, beside_each_other(there.values()), cases) == []


def _wrong(node: NodeUnderTest, subject: Subject, world: World, cases: Sequence[Case]) -> list[str]:
    """Bring the node to a world and send all flows of cases; what went wrong."""
    settings = dataclasses.replace(world.settings, proxy_mode=subject.mode)
    node.apply(intent_of(dataclasses.replace(world, settings=settings)))
    about_input = [case for case in cases if _opens_input(case)]
    found = _wrong_flows(node.arena, subject, [c for c in cases if c not in about_input])
    # Where there is no iptables, there is no INPUT that would have to let anything in.
    close = _input_closed(node.arena) if subject.iptables != "none" else contextlib.nullcontext()
    with close if about_input else contextlib.nullcontext():
        return found + _wrong_flows(node.arena, subject, about_input)


def _opens_input(case: Case) -> bool:
    return any(each.expected == "ACCEPT" for each in case.flows)


def _wrong_flows(node: Arena, subject: Subject, cases: Sequence[Case]) -> list[str]:
    flows = [(case, each) for case in cases for each in case.flows]
    counts = [_count(each, subject.mode) for _, each in flows]
    if subject.mode.terminates:
        # A proxy remembers a client once a connection of its is made, and not when it begins.
        node.send([each.flow for case, each in flows if case.is_sticky])
    pairs = zip(flows, counts, strict=True)
    seen = iter(node.send([each.flow for (_, each), count in pairs for _ in range(count)]))
    wrong = []
    for (case, each), count in zip(flows, counts, strict=True):
        expected = as_svcform_does(case, each, subject.mode)
        tries = [next(seen) for _ in range(count)]
        problem = judge(expected, tries, sticky=case.is_sticky)
        wrong += [f"{case.name}: {problem}"] if problem else []
    return wrong


def _count(each: CaseFlow, mode: ProxyMode) -> int:
    """How often a flow is tried."""
    number = len(each.expected) if isinstance(each.expected, frozenset) else 1
    if number < 2:
        return 2
    if mode in TAKING_TURNS:
        return TURNS
    return math.ceil(math.log(CHANCE / number, 1 - 1 / number))


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
