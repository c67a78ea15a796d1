"""A node whose power goes, at each step of an apply, on a disk that keeps only what was synced."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.uml.node import ENDPOINTS
from tests.uml.state import State
from tests.uml.story import FIRST, SECOND, Story, boot_all, story

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    with story(tmp_path_factory.mktemp("power"), FIRST, SECOND) as made:
        yield made


def endpoints(state: State) -> list[str]:
    to = [
        line.split("--to-destination ")[1] for line in state.settings if "--to-destination" in line
    ]
    return [address.removesuffix(":8080") for address in to]


def test_what_was_confirmed_outlives_a_power_cut_at_once(told: Story):
    first, second = told.chapters

    assert endpoints(first.new) == [ENDPOINTS[0]]
    assert endpoints(second.new) == list(ENDPOINTS[:2])
    assert {"forwards 1", "route 10.96.0.0/16 dev lo scope link src 192.168.99.11"} <= set(
        second.new.settings
    )
    assert second.new.receipts == ("receipt applied whole",) * 2
    assert not second.new.runs
    assert not second.new.rest


def test_a_power_cut_at_any_step_leaves_the_old_state_or_the_new_one(told: Story):
    first, second = told.chapters
    phases = Counter(cut.phase for cut in second.cuts)
    assert Counter(cut.phase for cut in first.cuts) >= Counter({"": 2, "running": 3})
    assert phases["running"] >= 4
    assert phases["committing"] >= 5

    endings = boot_all(told, again=lambda cut: cut in first.cuts and not cut.phase)

    assert [x for x in endings if x.state not in {"old", "new", "untouched"}] == []
