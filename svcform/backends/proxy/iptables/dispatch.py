"""From an address or a port to the rules for it, through a trie of chains."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from svcform.backends.proxy.iptables import trie
from svcform.backends.proxy.iptables.addresses import cidr, collapse, number
from svcform.backends.proxy.iptables.ports import Chains
from svcform.lang.iptables import rule as r
from svcform.lang.iptables.names import CHAIN_NAME_LIMIT, stable_name
from svcform.model.net import Family

#: How many frontends share a leaf at most.
LEAF_CAPACITY = 16

Rules = tuple[str, ...]


class Arriving:
    """Dispatch by the destination that a packet has now."""

    @staticmethod
    def address(cidr: str, target: r.Target) -> str:
        """A rule for a CIDR."""
        return r.Rule(target, destination=cidr).write()

    @staticmethod
    def ports(protocol: str, low: int, high: int, target: r.Target) -> str:
        """A rule for a range of ports."""
        return r.Rule(target, (r.Port(low, high),), protocol).write()


class Original:
    """Dispatch by the destination that a connection's first packet had, before NAT."""

    @staticmethod
    def address(cidr: str, target: r.Target) -> str:
        """A rule for a CIDR."""
        return r.Rule(target, (r.Conntrack(destination=cidr),)).write()

    @staticmethod
    def ports(protocol: str, low: int, high: int, target: r.Target) -> str:
        """A rule for a range of ports."""
        return r.Rule(target, (r.Conntrack(ports=(low, high)),), protocol).write()


By = type[Arriving] | type[Original]


@dataclass(slots=True)
class AddressTable:
    """What is to happen at addresses of one family, in one table.

    ``frontends`` has, for each address, each frontend's protocol and port with its rules.
    ``whole`` are addresses of which ``otherwise`` takes whatever the frontends leave.
    """

    family: Family
    by: By = Arriving
    frontends: dict[str, dict[tuple[str, int], Rules]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    whole: Sequence[str] = ()
    otherwise: r.Target = r.DROP

    def chains(self, root: str, prefix: str) -> Chains:
        """The chain ``root`` and those behind it; nothing at all if there are no addresses."""
        whole = {number(address, self.family) for address in self.whole}
        rules = {number(a, self.family): found for a, found in self.frontends.items() if found}
        weights = [(key, len(rules.get(key, ())) or 1) for key in sorted(rules.keys() | whole)]
        tree = trie.build(weights, self.family.bits, LEAF_CAPACITY)
        if tree is None:
            return {}
        chains: Chains = {}
        for node in trie.walk(tree):
            name = root if node is tree else self._name(prefix, node)
            if node.children:
                chains[name] = tuple(
                    self.by.address(
                        cidr(child.prefix, child.length, self.family),
                        r.Goto(self._name(prefix, child)),
                    )
                    for child in node.children
                )
            else:
                leaf = self._leaf(node, rules, chains, prefix)
                chains[name] = (*leaf, *self._whole(node, whole))
        return chains

    def _leaf(
        self,
        node: trie.Node,
        rules: Mapping[int, dict[tuple[str, int], Rules]],
        chains: Chains,
        prefix: str,
    ) -> Rules:
        found = [rules[key] for key in node.keys if key in rules]
        if len(found) == 1 and len(found[0]) > LEAF_CAPACITY:
            name = self._name(prefix, node)
            return port_dispatch(
                found[0], chains, lambda *words: stable_name(prefix, name, *words), self.by
            )
        return tuple(rule for frontends in found for at in frontends.values() for rule in at)

    def _whole(self, node: trie.Node, whole: set[int]) -> Rules:
        numbers = [key for key in node.keys if key in whole]
        return tuple(
            r.Rule(self.otherwise, destination=cidr(start, length, self.family)).write()
            for start, length in collapse(numbers, self.family.bits)
        )

    def _name(self, prefix: str, node: trie.Node) -> str:
        text = f"{prefix}{cidr(node.prefix, node.length, self.family)}"
        if self.family is Family.IPV4 and len(text) <= CHAIN_NAME_LIMIT:
            return text
        return stable_name(prefix, text)


def port_dispatch(
    frontends: Mapping[tuple[str, int], Rules],
    chains: Chains,
    name: Callable[[str, str], str],
    by: By = Arriving,
) -> Rules:
    """The rules that lead to each protocol's and port's rules; what they lead to is in ``chains``.

    ``name`` makes a chain's name of a protocol and a text like ``30000:30015``.
    """
    start: list[str] = []
    for protocol in sorted({protocol for protocol, _ in frontends}):
        ports = {port: found for (p, port), found in frontends.items() if p == protocol}
        tree = trie.build([(port, 1) for port in sorted(ports)], 16, LEAF_CAPACITY)
        if tree is None:
            continue
        for node in trie.walk(tree):
            if node.children:
                rules = tuple(_to_ports(child, protocol, name, by) for child in node.children)
            else:
                rules = tuple(rule for port in node.keys for rule in ports[port])
            if node is not tree:
                chains[name(protocol, _span(node))] = rules
            elif len(frontends) == len(ports):
                start += rules
            else:
                start.append(_to_ports(tree, protocol, name, by))
                chains[name(protocol, _span(node))] = rules
    return tuple(start)


def _to_ports(node: trie.Node, protocol: str, name: Callable[[str, str], str], by: By) -> str:
    low = node.prefix
    high = low | (1 << (16 - node.length)) - 1
    # A jump and no goto: an address still has to reject what its ports don't take.
    target = r.Verdict(name(protocol, _span(node)))
    return by.ports(protocol, low, high, target)


def _span(node: trie.Node) -> str:
    return f"{node.prefix}/{node.length}"
