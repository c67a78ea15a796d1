"""Changes in, the input of ``iptables-restore`` out: a few steps a family at most.

nat and filter are not atomic together.  A packet that nat has translated passes filter's verdicts
by, so new verdicts come first, then nat, then the removal of old verdicts: no packet to a Service
is ever let through untranslated.  mangle is there only in IPVS mode, and switches to or from it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from svcform.backends.contract import RenderInput
from svcform.backends.proxy.iptables.fingerprint import fingerprint
from svcform.backends.proxy.iptables.objects import BACKEND, PREFIX, Variant
from svcform.backends.proxy.iptables.tools import has_broken_buffer, restore_tool
from svcform.lang.iptables.restore import TableChange, write
from svcform.plan.diff import Change
from svcform.program.program import Phase, Program, Step

Rules = tuple[str, ...]
Difference = tuple[str, Rules | None, Rules | None]
"""A chain's name, its rules before and after; None where it isn't there."""


def render(inputs: RenderInput) -> Program:
    """The steps, their undo, and the fingerprint; nothing at all for no changes."""
    if not inputs.changes:
        return Program()
    places: dict[tuple[Variant, str], _Tables] = defaultdict(_Tables)
    for change in inputs.changes:
        word, family, table, chain = change.address.path
        places[Variant(word), family].add(table, chain, change)
    steps: list[Step] = []
    undo: list[Step] = []
    for (variant, family), tables in sorted(places.items(), key=lambda item: item[0][0].value):
        tool = _Restore(variant, family, buffered=not has_broken_buffer(variant, inputs.facts))
        steps += _steps(tool, tables)
        undo += _steps(tool, tables.reversed())
    return Program(
        steps=tuple(sorted(steps, key=lambda step: step.phase)),
        undo=tuple(sorted(undo, key=lambda step: step.phase)),
        fingerprints=(fingerprint(inputs.changes, inputs.live),),
    )


@dataclass(frozen=True, slots=True)
class _Tables:
    """What changes in the tables of one variant and family."""

    nat: list[Difference] = field(default_factory=list)
    filter: list[Difference] = field(default_factory=list)
    mangle: list[Difference] = field(default_factory=list)

    def add(self, table: str, chain: str, change: Change) -> None:
        before = None if change.before is None else change.before.lines()
        after = None if change.after is None else change.after.lines()
        {"nat": self.nat, "mangle": self.mangle}.get(table, self.filter).append(
            (chain, before, after)
        )

    def reversed(self) -> _Tables:
        return _Tables(*map(_reversed, (self.nat, self.filter, self.mangle)))


def _reversed(differences: list[Difference]) -> list[Difference]:
    return [(name, after, before) for name, before, after in differences]


@dataclass(frozen=True, slots=True)
class _Restore:
    """The tool for one variant and family."""

    variant: Variant
    family: str
    buffered: bool


def _steps(tool: _Restore, tables: _Tables) -> Iterator[Step]:
    around = list(_around(tool, "filter", tables.filter))
    # Where marks begin or end to lead packets elsewhere, both ways are there for that moment.
    if tables.mangle:
        around += _around(tool, "nat", tables.nat)
    yield from (step for step in around if step.phase is Phase.MAKE)
    for table, differences in (("mangle", tables.mangle), ("nat", tables.nat)):
        if table == "mangle" or not tables.mangle:
            change = _whole(table, differences)
            if not change.is_empty:
                yield _step(tool, Phase.SWITCH, change)
    # As long as nat has its old rules, they take the mark off what only that mark has refused.
    yield from (step for step in reversed(around) if step.phase is Phase.BREAK)


def _around(tool: _Restore, table: str, differences: Sequence[Difference]) -> Iterator[Step]:
    """What comes before the switch, and what goes after it."""
    added = _added(table, differences)
    final = _whole(table, differences, has_jumps=True)
    if _is_enough(added, differences):
        final = TableChange(table=table)
    for phase, change in ((Phase.MAKE, added), (Phase.BREAK, final)):
        if not change.is_empty:
            yield _step(tool, phase, change)


def _step(tool: _Restore, phase: Phase, change: TableChange) -> Step:
    command = (restore_tool(tool.variant, tool.family), "--noflush", "-w", "5")
    chains, deleted = len(change.chains), len(change.deleted)
    return Step(
        backend=BACKEND,
        phase=phase,
        summary=f"{tool.variant.value} {tool.family} {change.table}: {chains} chains written, "
        f"{deleted} removed, {len(change.inserted)} jumps inserted, {len(change.removed)} removed",
        command=command,
        stdin=write([change], buffered=tool.buffered),
        # Sets that come in the same run aren't there yet for a rehearsal.
        rehearsal=() if _refers_to_sets(change) else (*command, "--test"),
    )


def _refers_to_sets(change: TableChange) -> bool:
    return any("-set SVCFORM-" in rule for rules in change.chains.values() for rule in rules)


def _whole(
    table: str, differences: Sequence[Difference], *, has_jumps: bool = False
) -> TableChange:
    """Everything at once; with ``has_jumps`` a step before has inserted those that come."""
    jumps = [d for d in differences if not d[0].startswith(PREFIX)]
    return TableChange(
        table=table,
        chains={
            n: after for n, _, after in differences if n.startswith(PREFIX) and after is not None
        },
        inserted=() if has_jumps else list(_jumps(jumps, inserted=True)),
        removed=list(_jumps(jumps, inserted=False)),
        deleted=sorted(n for n, _, after in differences if n.startswith(PREFIX) and after is None),
    )


def _added(table: str, differences: Sequence[Difference]) -> TableChange:
    """What comes, and none of what goes: chains hold their old rules behind the new ones."""
    chains = {}
    for name, before, after in differences:
        if name.startswith(PREFIX) and after is not None and set(after) - set(before or ()):
            chains[name] = (*after, *(rule for rule in before or () if rule not in after))
    jumps = [d for d in differences if not d[0].startswith(PREFIX)]
    inserted = list(_jumps(jumps, inserted=True))
    return TableChange(table=table, chains=_with_targets(chains, differences), inserted=inserted)


def _jumps(differences: Sequence[Difference], *, inserted: bool) -> Iterator[tuple[str, str]]:
    for name, before, after in differences:
        old, new = Counter(before or ()), Counter(after or ())
        for rule, count in ((new - old) if inserted else (old - new)).items():
            yield from ((name, rule) for _ in range(count))


def _with_targets(chains: dict[str, Rules], differences: Sequence[Difference]) -> dict[str, Rules]:
    """Empty chains that are new have to be declared, too, before something refers to them."""
    new = {
        name: after
        for name, before, after in differences
        if name.startswith(PREFIX) and before is None and after is not None
    }
    return {**new, **chains}


def _is_enough(added: TableChange, differences: Sequence[Difference]) -> bool:
    """Whether additions alone make the table what it is to be."""
    for name, before, after in differences:
        if after is None:
            return False
        if name.startswith(PREFIX):
            if added.chains.get(name, before) != after:
                return False
        elif Counter(before or ()) - Counter(after):
            return False
    return True
