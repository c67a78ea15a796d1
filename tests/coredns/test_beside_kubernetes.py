"""CoreDNS's kubernetes plugin and svcform's zones are asked the same, and answer the same.

Where they don't, the difference is of a class that the backend's README names.
"""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from tests.coredns.api_server import api_server
from tests.coredns.asking import Answer, Question, ask_all
from tests.coredns.differences import RULES, Served, differences
from tests.coredns.questions import questions
from tests.coredns.serving import own_network, with_plugin, with_zones, zones_of
from tests.coredns.worlds import World, random_world

pytestmark = pytest.mark.root
#: Of some thousands two more in which name servers are behind a headless Service of many slices.
SEEDS = (*range(24), 1038, 1070)
README = Path(__file__).parents[2] / "svcform/backends/dns/coredns/README.md"

Seen = list[tuple[World, list[tuple[Question, Answer, Answer]]]]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """For each world the questions, and the answers of the plugin and of the zones."""
    found: Seen = []
    failed: list[BaseException] = []

    def compare() -> None:
        try:
            with own_network():
                found.extend(_ask(tmp_path_factory.mktemp("beside")))
        except BaseException as error:  # noqa: BLE001 - a thread's failure is the fixture's
            failed.append(error)

    asking = threading.Thread(target=compare)
    asking.start()
    asking.join()
    if failed:
        raise failed[0]
    return found


def _ask(folder: Path) -> Seen:
    worlds = [random_world(Random(seed)) for seed in SEEDS]
    asked = [questions(Random(seed), world) for seed, world in zip(SEEDS, worlds, strict=True)]
    clusters = {str(number): world.objects for number, world in enumerate(worlds)}
    with api_server(clusters) as api, with_plugin(folder, worlds, api) as ports:
        plugin = [ask_all(some, port) for some, port in zip(asked, ports, strict=True)]
    with with_zones(folder, worlds) as ports:
        static = [ask_all(some, port) for some, port in zip(asked, ports, strict=True)]
    return [
        (world, list(zip(some, theirs, ours, strict=True)))
        for world, some, theirs, ours in zip(worlds, asked, plugin, static, strict=True)
    ]


def test_answers_are_the_same_or_differ_as_the_readme_says(seen: Seen):
    classes: Counter[str] = Counter()
    unknown: list[str] = []
    for seed, (world, answers) in zip(SEEDS, seen, strict=True):
        served = Served(zones_of(world))
        for question, theirs, ours in answers:
            for what in differences(served, question, theirs, ours):
                classes[what] += 1
                if what == "unknown":
                    unknown.append(f"seed {seed}: {question}\n  {theirs}\n  {ours}")

    assert unknown == [], "\n".join(unknown[:10])
    assert set(classes) == {name for name, _ in RULES}


def test_thousands_of_questions_were_asked_and_most_were_answered_alike(seen: Seen):
    answers = [answer for _, some in seen for answer in some]
    assert len(answers) > 5000
    alike = [1 for _, theirs, ours in answers if theirs[:2] == ours[:2]]
    assert len(alike) > 0.7 * len(answers)
    found = Counter(theirs.rcode for _, theirs, _ in answers)
    assert min(found["NOERROR"], found["NXDOMAIN"]) > 1000


@pytest.mark.parametrize("name", [name for name, _ in RULES])
def test_the_readme_has_a_row_for_each_class_of_differences(name: str):
    assert f"\n| {name}" in README.read_text()
