"""Rolling batches are Ansible's."""

from __future__ import annotations

import pytest

from svcform.model.node import Play
from svcform.plan.batches import batches


@pytest.mark.parametrize(
    ("serial", "sizes"),
    [
        ((), [10]),
        (("3",), [3, 3, 3, 1]),
        (("1", "50%"), [1, 5, 4]),
        (("1", "2", "5"), [1, 2, 5, 2]),
        (("15%",), [1] * 10),
        (("0",), [10]),
        (("200",), [10]),
    ],
)
def test_serial_cuts_a_play_as_ansible_does(serial: tuple[str, ...], sizes: list[int]) -> None:
    nodes = tuple(f"n{n}" for n in range(10))
    play = Play(name="edge", nodes=nodes, serial=serial, max_fail_percentage=30)
    made = batches((play,), nodes)
    assert [len(batch.nodes) for batch in made] == sizes
    assert tuple(name for batch in made for name in batch.nodes) == nodes
    assert {batch.max_fail_percentage for batch in made} == {30}


def test_a_node_is_in_the_first_play_that_has_it() -> None:
    plays = (Play(name="a", nodes=("x", "y")), Play(name="b", nodes=("y", "z")))
    assert [batch.nodes for batch in batches(plays, {"x", "y", "z"})] == [("x", "y"), ("z",)]
