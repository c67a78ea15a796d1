"""The drills of day 2, step by step: each command prints what its page says."""

from __future__ import annotations

import pytest

from tests.docs import console, day_two
from tests.docs.day_two import PAGES, begin, end, normal, run

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the lab runs, and each drill begins a project."""
    folder = tmp_path_factory.mktemp("day-2")
    said = console.run("svcform lab up --nodes 3", folder)
    assert "3 nodes up" in said, said
    yield folder
    console.run("svcform lab down", folder)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_drill_goes_as_it_is_told(page, folder):
    told = console.steps(page.read_text())
    assert told
    begin(folder)
    try:
        for step in told:
            said = normal(run(step.command, folder))

            assert said == normal(step.output), f"$ {step.command}"
    finally:
        end(folder)


def test_every_drill_is_in_the_list():
    index = (console.ROOT / "docs/day-2/index.md").read_text()

    assert [page.name for page in day_two.PAGES if f"]({page.name})" not in index] == []
