"""The trie holds every key once, in light leaves, behind narrow branches."""

from hypothesis import given
from hypothesis import strategies as st

from svcform.backends.proxy.iptables.addresses import collapse
from svcform.backends.proxy.iptables.trie import build, walk

CAPACITY = 4
keys = st.dictionaries(
    st.one_of(st.integers(0, 2**16 - 1), st.integers(0, 255)), st.integers(1, 6), max_size=200
)


def _covers(node, key, bits=16):
    return key >> (bits - node.length) == node.prefix >> (bits - node.length)


@given(keys)
def test_every_key_is_found_in_one_leaf_and_only_there(weights):
    tree = build(sorted(weights.items()), 16, CAPACITY)
    nodes = list(walk(tree)) if tree else []
    assert sorted(key for node in nodes for key in node.keys) == sorted(weights)
    for node in nodes:
        assert len(node.children) <= 16
        assert all(_covers(node, key) for key in node.keys)
        assert all(_covers(node, child.prefix) for child in node.children)
        assert all(child.length > node.length for child in node.children)
        assert len(node.keys) == 1 or sum(weights[key] for key in node.keys) <= CAPACITY
        for key in weights:
            assert sum(_covers(child, key) for child in node.children) <= 1


@given(keys, st.integers(0, 2**16 - 1))
def test_one_more_key_leaves_most_leaves_alone(weights, extra):
    others = {key: weight for key, weight in weights.items() if key != extra}
    before = build(sorted(others.items()), 16, CAPACITY)
    after = build(sorted({**others, extra: 1}.items()), 16, CAPACITY)
    old = {node for node in walk(before) if node.keys} if before else set()
    new = {node for node in walk(after) if node.keys}
    # The leaf that the key falls into, and those that it splits into.
    assert len(old - new) <= 1


@given(st.sets(st.integers(0, 2**8 - 1)))
def test_collapsed_addresses_are_the_same_addresses_in_fewer_blocks(numbers):
    blocks = list(collapse(sorted(numbers), 8))
    found = [start + i for start, length in blocks for i in range(2 ** (8 - length))]
    assert found == sorted(numbers)
    assert all(start % 2 ** (8 - length) == 0 for start, length in blocks)


def test_a_full_block_is_one():
    assert list(collapse(range(16, 32), 8)) == [(16, 4)]
