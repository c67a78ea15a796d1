"""Two applies on a node of its own, with power cuts in each, and what a boot makes of a cut."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.uml import cuts
from tests.uml.cuts import Cut
from tests.uml.node import UmlNode, new_node, new_twin, place
from tests.uml.state import State, difference, is_new, is_old, is_untouched, live, look

#: A guest takes ten times as long as a node, and this machine may have other guests, too.
_PATIENT = ("--run-timeout", "900", "--confirm-timeout", "300", "--timeout", "60")
_APPLY = ("apply", "--auto-approve", *_PATIENT)
_STALE = 3
#: A cut for each step of an apply, on a node that has nothing yet.
FIRST = (
    ": mv*/runner",  # half of whose node it is
    ": mv*/phase.new *",  # all of it
    "running: sync*/journal",  # before each step of the program
)
#: And on one with a confirmed state.
SECOND = (
    ": rm*/bundle *",  # carried, not unpacked
    ": rm*/broken*",  # the lock is taken
    ": sync*/checkpoint/*",
    "running: mv*/guard*",
    "running: sync*/journal",
    "running: mkdir*/after",  # read back
    "awaiting: mv*/phase*",  # confirmed just now
    "committing: sync*/phase*",
    "committing: mv*/previous",  # no state is the confirmed one now
    "committing: mv*/after *",
    "committing: sync*/receipts/*",
    "committing: rm*/lock",
)


@dataclass(frozen=True, slots=True)
class Chapter:
    """An apply: the node before and after it, each as it is after a boot, and its power cuts."""

    name: str
    old: State
    new: State
    cuts: Sequence[Cut]


@dataclass(frozen=True, slots=True)
class Story:
    """A node that is off, after its applies."""

    node: UmlNode
    chapters: tuple[Chapter, ...]


@dataclass(frozen=True, slots=True)
class Ending:
    """What became of a cut: "old", "new", "untouched" (see is_untouched), or what is wrong."""

    chapter: str
    cut: Cut
    state: str


@contextlib.contextmanager
def story(folder: Path, first: Sequence[str], second: Sequence[str]) -> Iterator[Story]:
    """A node that is off, after two applies whose cuts were recorded at these patterns."""
    with new_node(folder) as node:
        node.boot()
        states, recorded = [look(node)], []
        for number, patterns in enumerate((first, second), 1):
            # The second has more to do than come: its NodePort goes.
            place(node, number, node_port=number == 1)
            said, found = cuts.record(node, folder / f"cuts-{number}", patterns, *_APPLY)
            assert said.code == 0, said.out
            node.cut_power()
            node.boot()
            states.append(look(node))
            recorded.append(found)
        node.cut_power()
        chapters = (
            Chapter("first", states[0], states[1], recorded[0]),
            Chapter("second", states[1], states[2], recorded[1]),
        )
        yield Story(node, chapters)


def boot_all(
    told: Story,
    tell: Callable[[Ending], object] = lambda _: None,
    again: Callable[[Cut], bool] = lambda _: False,
) -> list[Ending]:
    """Boot each cut, on two machines at a time; on those that ``again`` picks apply once more."""
    jobs = [(chapter, cut) for chapter in told.chapters for cut in chapter.cuts]
    spare = threading.local()
    with contextlib.ExitStack() as stack:
        twins = [
            stack.enter_context(new_twin(told.node, told.node.folder / f"twin-{n}")) for n in (1, 2)
        ]

        def take() -> None:
            spare.twin = twins.pop()

        def end(job: tuple[Chapter, Cut]) -> Ending:
            chapter, cut = job
            after = told.chapters[-1].new if again(cut) else None
            found = Ending(chapter.name, cut, _boot(spare.twin, chapter, cut, after))
            tell(found)
            return found

        with ThreadPoolExecutor(2, initializer=take) as pool:
            return list(pool.map(end, jobs))


def _boot(twin: UmlNode, chapter: Chapter, cut: Cut, after: State | None) -> str:
    try:
        twin.boot(cut.disk)
        state = _judge(chapter, cut, look(twin))
        if after is not None:
            state += _apply_again(twin, after)
    finally:
        twin.cut_power()
    return state


def _judge(chapter: Chapter, cut: Cut, found: State) -> str:
    state = ""
    if is_old(found, chapter.old):
        state = "old"
    elif is_new(found, chapter.new):
        state = "new"
    elif chapter.name == "first" and is_untouched(found, chapter.old):
        state = "untouched"
    if state in fits(cut):
        return state
    wanted = chapter.new if "new" in fits(cut) else chapter.old
    return "\n  ".join([f"neither ({state})", *difference(found, wanted)])


def fits(cut: Cut) -> tuple[str, ...]:
    """What a node may be after a cut: until the commit is on disk, as before; from then on, new."""
    if cut.phase != "committing":
        return ("old", "untouched")
    return ("old", "new") if cut.operation == "sync RUN/phase RUN" else ("new",)


def _apply_again(twin: UmlNode, wanted: State) -> str:
    """Apply what the project says by now; where a run had to be put in order first, twice."""
    said = twin.svcform(*_APPLY)
    if said.code == _STALE:
        said = twin.svcform(*_APPLY)
    found = look(twin)
    if said.code == 0 and live(found) == live(wanted) and found.runs == ("run applied",):
        return ""
    return f"\n  applied again: {said.code}\n{said.out}\n" + "\n".join(difference(found, wanted))
