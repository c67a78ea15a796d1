"""A path-compressed trie over addresses or ports: few chains, and few rules to walk.

Leaves come from halving the space until a leaf is light enough, so that one more key splits one
leaf and nothing else; dispatch goes by nibbles, so that no chain holds more than 16 branches.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

#: Of branches in a dispatch chain: 2**STRIDE.
STRIDE = 4


@dataclass(frozen=True, slots=True)
class Node:
    """Everything that begins with the first ``length`` bits of ``prefix``.

    A leaf has ``keys`` (ascending), a branch has ``children`` (ascending).
    """

    prefix: int
    length: int
    keys: tuple[int, ...] = ()
    children: tuple[Node, ...] = ()


def build(weights: Sequence[tuple[int, int]], bits: int, capacity: int) -> Node | None:
    """The trie over (key, weight), sorted by key, of ``bits``-bit keys; None if there are none.

    A leaf's weights add up to ``capacity`` at most, unless it has one key.
    """
    if not weights:
        return None
    keys = [key for key, _ in weights]
    sums = [0]
    for _, weight in weights:
        sums.append(sums[-1] + weight)
    return _Builder(keys, sums, bits, capacity).node(0, len(keys))


def walk(node: Node) -> Iterator[Node]:
    """All nodes, parents first."""
    yield node
    for child in node.children:
        yield from walk(child)


@dataclass(frozen=True, slots=True)
class _Builder:
    keys: list[int]
    sums: list[int]
    bits: int
    capacity: int

    def node(self, start: int, end: int) -> Node:
        prefix, length = self._common(start, end)
        if self._is_leaf(start, end):
            return Node(prefix, length, keys=tuple(self.keys[start:end]))
        children: list[Node] = []
        self._branch(start, end, (prefix, length), length + STRIDE, children)
        return Node(prefix, length, children=tuple(children))

    def _branch(
        self, start: int, end: int, at: tuple[int, int], depth: int, children: list[Node]
    ) -> None:
        prefix, length = at
        if start == end:
            return
        if length == depth or self._is_leaf(start, end):
            children.append(self.node(start, end))
            return
        upper = prefix | 1 << (self.bits - length - 1)
        middle = bisect_left(self.keys, upper, start, end)
        self._branch(start, middle, (prefix, length + 1), depth, children)
        self._branch(middle, end, (upper, length + 1), depth, children)

    def _is_leaf(self, start: int, end: int) -> bool:
        return end - start == 1 or self.sums[end] - self.sums[start] <= self.capacity

    def _common(self, start: int, end: int) -> tuple[int, int]:
        low, high = self.keys[start], self.keys[end - 1]
        differing = (low ^ high).bit_length()
        return low >> differing << differing, self.bits - differing
