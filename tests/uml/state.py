"""What a node is after a boot, and which of two states that comes to."""

from __future__ import annotations

from dataclasses import dataclass

from tests.uml.guest import HERE
from tests.uml.node import UmlNode


@dataclass(frozen=True, slots=True)
class State:
    """Rules, routes, settings, files with digests; and what a run left: its folder, its receipts.

    ``rest`` is what should not be there: a lock, or a process.
    """

    settings: tuple[str, ...]
    runs: tuple[str, ...] = ()
    receipts: tuple[str, ...] = ()
    rest: tuple[str, ...] = ()


def look(node: UmlNode) -> State:
    """What the node's own tools show, in one connection."""
    lines = [line.rstrip() for line in node.ssh((HERE / "look.sh").read_text()).splitlines()]

    def of(*kinds: str) -> tuple[str, ...]:
        return tuple(line for line in lines if line.split(" ", 1)[0] in kinds)

    return State(
        settings=of("ip", "ip6", "route", "forwards", "file"),
        runs=of("run"),
        receipts=of("receipt"),
        rest=of("lock", "process"),
    )


_STATE = "file /var/lib/svcform/"
_ROLLED_BACK = "receipt rolled-back whole"


def is_old(found: State, old: State) -> bool:
    """The state of before, and at most a receipt that says so."""
    if found.settings != old.settings or found.rest:
        return False
    if found.receipts == old.receipts:
        return found.runs == ()
    return (found.runs, found.receipts) == (
        ("run rolled-back",),
        (*old.receipts, _ROLLED_BACK)[-10:],
    )


def is_new(found: State, new: State) -> bool:
    """The state that was confirmed, with its receipt."""
    finished = found.runs in ((), ("run applied",)) and found.receipts == new.receipts
    return found.settings == new.settings and finished and not found.rest


def is_untouched(found: State, old: State) -> bool:
    """Nothing has come to a node that has no service of svcform's for its boot yet.

    The next apply finds the run, and finishes it.
    """
    running = any(line.startswith("process ") for line in found.rest)
    return (live(found), found.receipts) == (live(old), old.receipts) and not running


def live(state: State) -> tuple[str, ...]:
    """All of it but svcform's own folder."""
    return tuple(line for line in state.settings if not line.startswith(_STATE))


def difference(found: State, wanted: State) -> list[str]:
    """The lines of each that the other hasn't."""
    return [
        *(f"- {line}" for line in wanted.settings if line not in found.settings),
        *(f"+ {line}" for line in found.settings if line not in wanted.settings),
        *(*found.runs, *found.receipts, *found.rest),
    ]
