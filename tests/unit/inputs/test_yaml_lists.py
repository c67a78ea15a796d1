"""Long Lists are cut into pieces, and nobody can tell."""

from __future__ import annotations

import pytest
import ryaml
from hypothesis import given
from hypothesis import strategies as st

from svcform.inputs.yaml_lists import loads_all

_LIST = """apiVersion: v1
items:
- kind: Service
  spec:
    ports:
    - port: 80
    - port: 81
  note: |
    items:
    - not one

    # nor this
-
  kind: Pod
# a comment
- kind: Node
kind: List
metadata: {resourceVersion: ""}
"""
_LINES = (
    "items:",
    "- a: 1",
    "- ",
    "-",
    "  b: [1,",
    "  2]",
    '  c: "x',
    'y"',
    "  d: |",
    "    text",
    "# note",
    "",
    "kind: List",
    "other:",
    "  - e",
    "'",
)


@pytest.mark.parametrize("piece", [1, 10, 40, 100])
def test_pieces_of_any_size_give_the_same_list(piece):
    assert loads_all(_LIST, piece) == ryaml.loads_all(_LIST)


def test_order_of_keys_stays():
    assert list(loads_all(_LIST, 1)[0]) == ["apiVersion", "items", "kind", "metadata"]


@pytest.mark.parametrize("text", ['a: "x\nitems:\n- y\nz"\nitems:\nb: 1\n', '"\nitems:\n- x\nb"\n'])
def test_what_only_looks_like_items_is_text(text):
    assert loads_all(text, 1) == ryaml.loads_all(text)


def test_a_second_items_is_refused_as_ever():
    with pytest.raises(ValueError, match="items"):
        loads_all(_LIST + "items:\n- kind: Pod\n", 1)


@given(st.lists(st.sampled_from(_LINES), max_size=14))
def test_texts_are_read_as_whole_or_refused(lines):
    """Never another value: what is refused here is read by the reader that explains."""
    text = "apiVersion: v1\nitems:\n- a: 0\n" + "\n".join(lines) + "\n"
    try:
        found = loads_all(text, 1)
    except ValueError:
        return
    assert found == ryaml.loads_all(text)
