"""The tests of flows would notice a rule that is not there."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from random import Random

import pytest

from svcform.backends.contract import Backend
from svcform.policy import marks
from tests.flow import worlds
from tests.flow.arena import Arena
from tests.flow.model import World
from tests.flow.nodes import Nodes, open_nodes
from tests.flow.test_random_flows import wrong_flows
from tests.flow.under_test import NodeUnderTest, intent_of, proxies

pytestmark = pytest.mark.root
SEED = 5


@pytest.fixture(scope="module")
def nodes(request: pytest.FixtureRequest) -> Iterator[Nodes]:
    with open_nodes(request, worlds.NODE_ADDRESSES) as opened:
        yield opened


@pytest.fixture
def node(nodes: Nodes, backend: Backend) -> NodeUnderTest:
    return nodes.of(backend)


def _without_one_iptables_rule(arena: Arena) -> Iterator[str]:
    """Take each rule that decides a packet's fate away for a while."""
    for table in ("nat", "filter"):
        numbers: dict[str, int] = {}
        for line in arena.run("iptables-save", "-t", table).splitlines():
            found = re.match(r"-A (SVCFORM-\S+) (.*)", line)
            if found is None:
                continue
            chain, rule = found.groups()
            number = numbers[chain] = numbers.get(chain, 0) + 1
            if not re.search(r"-j (DNAT|REJECT|DROP)", rule):
                continue
            _restore(arena, table, f"-D {chain} {number}")
            yield line
            _restore(arena, table, f"-I {chain} {number} {rule}")


def _restore(arena: Arena, table: str, line: str) -> None:
    arena.run("iptables-restore", "--noflush", given=f"*{table}\n{line}\nCOMMIT\n".encode())


_DECIDING = ("frontends", "node-ports", "list-sizes", "tcp-endpoints", "udp-endpoints")
_CHAINS = ("check", "postrouting")


def _without_one_nft_object(arena: Arena) -> Iterator[str]:
    """Take some elements of each map, and each rule of some chains, away for a while."""
    for name in _DECIDING:
        listed = arena.run("nft", "list", "map", "ip", "svcform", name)
        elements = re.findall(r"[^{},]+ : [^{},]+", listed.partition("elements =")[2])
        for element in elements[::4]:
            key = element.partition(" : ")[0].strip()
            arena.run("nft", f"delete element ip svcform {name} {{ {key} }}")
            yield f"{name} {element.strip()}"
            arena.run("nft", f"add element ip svcform {name} {{ {element.strip()} }}")
    for chain in _CHAINS:
        listed = arena.run("nft", "list", "chain", "ip", "svcform", chain)
        rules = [line.strip() for line in listed.splitlines() if line.startswith("\t\t")]
        rules = [rule for rule in rules if not rule.startswith("type ")]
        for taken in rules:
            if taken.endswith("return"):
                continue  # for what others translate, whom this world has none of
            _fill(arena, chain, [rule for rule in rules if rule != taken])
            yield f"{chain} {taken}"
        _fill(arena, chain, rules)


def _fill(arena: Arena, chain: str, rules: list[str]) -> None:
    lines = [f"flush chain ip svcform {chain}"]
    lines += [f"add rule ip svcform {chain} {rule}" for rule in rules]
    arena.run("nft", "-f", "-", given="\n".join([*lines, ""]).encode())


#: Those of IPVS mode's sets whose elements decide a packet's fate alone.
_SETS = ("FRONTENDS", "NODE-PORTS", "CLUSTER-IPS", "SERVICE-CIDRS")


def _without_one_ipvs_object(arena: Arena) -> Iterator[str]:
    """Take an element of each set, and some real servers, away for a while."""
    for name in _SETS:
        saved = sorted(arena.run("ipset", "save", f"SVCFORM-4-{name}").splitlines())
        element = next((line for line in saved if _decides(line)), None)
        if element is None:
            continue
        arena.run("ipset", "del", *element.split()[1:3])
        yield element
        arena.run("ipset", "restore", given=f"{element}\n".encode())
    listed = arena.run("ipvsadm", "-S", "-n").splitlines()
    servers = [line.split() for line in listed if line.startswith("-a ") and "[" not in line]
    for words in servers[:: max(1, len(servers) // 4)]:
        arena.run("ipvsadm", "-d", *words[1 : words.index("-r") + 2])
        yield " ".join(words)
        arena.run("ipvsadm", *words)


def _decides(line: str) -> bool:
    """Whether it is an element that nothing stands in for.

    The node has no address in the lower half of them, and refuses by itself where nobody listens.
    """
    mark = re.search(r" skbmark 0x(\w+)", line)
    refuses = mark is not None and int(mark[1], 16) & marks.TREATMENT == marks.REJECT
    return line.startswith("add ") and " 0.0.0.0/1," not in line and not refuses


#: For each proxy backend: how to take one rule after the other away.
TAKE_AWAY: Mapping[str, Callable[[Arena], Iterator[str]]] = {
    "iptables": _without_one_iptables_rule,
    "nftables": _without_one_nft_object,
    "ipvs": _without_one_ipvs_object,
    "userspace": _without_one_iptables_rule,
}


def _simple_world(backend: Backend) -> World:
    """A world in which no rule can stand in for another: all endpoints ready, nobody sticky."""
    world = worlds.random_world(Random(SEED), backend.mode, services=4)
    services = {
        key: dataclasses.replace(service, affinity_seconds=None, labels=())
        for key, service in world.services.items()
    }
    return dataclasses.replace(world, services=services)


@pytest.mark.parametrize("backend", proxies(), ids=lambda backend: backend.name)
def test_every_rule_that_is_taken_away_is_missed(node: NodeUnderTest, backend: Backend):
    world = _simple_world(backend)
    node.apply(intent_of(world))
    flows = [f for f in worlds.flows(Random(SEED), world) if ":" not in f.destination]
    assert wrong_flows(node, world, flows) == []

    taken, unnoticed = 0, []
    for rule in TAKE_AWAY[backend.name](node.arena):
        taken += 1
        if not wrong_flows(node, world, flows):
            unnoticed.append(rule)

    assert (taken > 5, unnoticed) == (True, [])
    assert wrong_flows(node, world, flows) == []
