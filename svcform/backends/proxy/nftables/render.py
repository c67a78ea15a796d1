"""Changes in, scripts for ``nft -f`` out: one transaction for what traffic sees.

Both families are in the same transaction.  What nothing refers to yet (a table, a chain, a set) is
made in one before it, and before other backends switch; what nothing refers to any more goes after.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from svcform.backends.contract import RenderInput
from svcform.backends.proxy.nftables.fingerprint import fingerprint
from svcform.backends.proxy.nftables.objects import (
    ALLOWED,
    BACKEND,
    CHAIN,
    LEARNED,
    SET,
    STICKY,
    STRANGE,
    TABLE,
    ChainObject,
    Declared,
    Elements,
    Item,
    for_deletion,
    for_nft,
    key_of,
)
from svcform.backends.proxy.nftables.scripts import FORGET_CLIENTS, PATIENTLY
from svcform.lang.nft.script import Script
from svcform.plan.diff import Change
from svcform.plan.snapshot import NodeObject, ObjectAddress, Snapshot
from svcform.program.program import Phase, Program, Step

_NFT = ("nft", "-f", "-")
_REHEARSAL = ("nft", "-c", "-f", "-")


def render(inputs: RenderInput) -> Program:
    """The steps, their undo, and the fingerprint; nothing at all for no changes."""
    if not inputs.changes:
        return Program()
    back = [Change(c.address, c.after, c.before) for c in inputs.changes]
    return Program(
        steps=tuple(_steps(inputs.changes, inputs.live, inputs.wanted)),
        undo=tuple(_steps(back, inputs.wanted, inputs.live)),
        fingerprints=(fingerprint(inputs.changes, inputs.live),),
    )


def _steps(changes: Iterable[Change], before: Snapshot, after: Snapshot) -> Iterator[Step]:
    by_family: dict[str, _Family] = defaultdict(_Family)
    for change in changes:
        by_family[change.address.path[0]].add(change)
    had, has = _families(before), _families(after)
    made, switched, unhooked, broken = (Script(TABLE) for _ in range(4))
    clients: list[str] = []
    for word, family in sorted(by_family.items()):
        if word not in has:
            family.unhook(unhooked, word)
            broken.delete_table(word)
        elif word not in had:
            made.create_table(word)
            _whole(made, word, after)
        elif family.has_to_be_made_anew:
            switched.replace_table(word)
            _whole(switched, word, after)
        else:
            family.make(made, word)
            family.switch(switched, word)
            family.break_(broken, word)
            clients += family.leaving_clients(word)
    yield from _step(Phase.MAKE, "what is new", made, _NFT, _REHEARSAL)
    yield from _step(Phase.SWITCH, "changes", switched, _NFT, _REHEARSAL)
    if clients:
        yield Step(
            backend=BACKEND,
            phase=Phase.SWITCH,
            summary=f"nft: clients of endpoints that went, endpoints: {len(clients)}",
            command=("sh", "-c", FORGET_CLIENTS),
            stdin="".join(f"{line}\n" for line in clients).encode(),
        )
    yield from _step(Phase.BREAK, "takes no packets any more", unhooked, _NFT, ())
    # What a rule went to in the last transaction can be busy until it is over (Linux before 6.2).
    yield from _step(Phase.BREAK, "what is left over", broken, ("sh", "-c", PATIENTLY), ())


def _step(
    phase: Phase, what: str, script: Script, command: tuple[str, ...], rehearsal: tuple[str, ...]
) -> Iterator[Step]:
    if script.commands:
        yield Step(
            backend=BACKEND,
            phase=phase,
            summary=f"nft: {what}, commands: {len(script.commands)}",
            command=command,
            stdin=script.write(),
            rehearsal=rehearsal,
        )


def _families(snapshot: Snapshot) -> set[str]:
    return {address.path[0] for address in snapshot if address.path[1] in {SET, CHAIN, STRANGE}}


@dataclass(frozen=True, slots=True)
class _Family:
    """What changes in one family."""

    chains: list[Change] = field(default_factory=list)
    sets: list[Change] = field(default_factory=list)
    strange: list[Change] = field(default_factory=list)
    elements: list[Change] = field(default_factory=list)

    def add(self, change: Change) -> None:
        """Put a change where it belongs."""
        kinds = {CHAIN: self.chains, SET: self.sets, STRANGE: self.strange}
        kinds.get(change.address.path[1], self.elements).append(change)

    @property
    def has_to_be_made_anew(self) -> bool:
        """What a set is, or what a chain hooks into, nft can't change; strange things go, too."""
        return bool(self.strange) or any(
            change.before is not None
            and change.after is not None
            and _nature(change.before) != _nature(change.after)
            for change in (*self.sets, *self.chains)
        )

    def make(self, script: Script, family: str) -> None:
        """Sets and chains that come, in a transaction of their own.

        A packet that is under way when a transaction ends takes the new elements, and of chains the
        rules of before: one that came with the elements that lead to it would be empty for it.
        """
        _declare(script, family, self._new_sets())
        _add_chains(script, family, self._new_chains(hooked=False))

    def switch(self, script: Script, family: str) -> None:
        """What is changed, what hooks into the packets' path, and all elements.

        What was made is declared again: the rehearsal comes before it is there.
        """
        changed = Script(script.table)
        _add_chains(changed, family, self._new_chains(hooked=True))
        self._change(changed, family)
        if changed.commands:
            _declare(script, family, self._new_sets(), empty=True)
            for where, _ in self._new_chains(hooked=False):
                script.add_chain(family, where.path[2], "")
            script.commands.extend(changed.commands)

    def _new_sets(self) -> Iterator[tuple[ObjectAddress, NodeObject | None]]:
        return ((c.address, c.after) for c in self.sets if c.before is None)

    def _new_chains(self, *, hooked: bool) -> Iterator[tuple[ObjectAddress, NodeObject | None]]:
        for change in self.chains:
            if change.before is None and change.after and bool(_hook(change.after)) is hooked:
                yield change.address, change.after

    def _change(self, script: Script, family: str) -> None:
        for change in self.chains:
            if change.before and isinstance(change.after, ChainObject):
                name = change.address.path[2]
                script.flush(family, CHAIN, name)
                script.add_rules(family, name, change.after.rules)
        for change in self.sets:
            if isinstance(change.before, Declared) and isinstance(change.after, Declared):
                name = change.address.path[2]
                script.flush(family, change.after.kind, name)
                script.add_elements(family, name, change.after.elements)
        self._switch_elements(script, family)

    def _switch_elements(self, script: Script, family: str) -> None:
        going = {c.address.path[2] for c in self.sets if c.after is None}
        old, new = _items(c.before for c in self.elements), _items(c.after for c in self.elements)
        deleted = [item for item in old - new if item[0] not in going]
        for name, keys in _by_set(deleted):
            script.delete_elements(family, name, [for_deletion(name, key_of(key)) for key in keys])
        _create(script, family, new - old)

    def unhook(self, script: Script, family: str) -> None:
        """The removal of what hooks into the packets' path, before all else of a table.

        A packet that is under way finds what was looked up for it: see :meth:`make`.
        """
        hooked = [c.address.path[2] for c in self.chains if c.before and _hook(c.before)]
        for name in hooked:
            script.flush(family, CHAIN, name)
        for name in hooked:
            script.delete(family, CHAIN, name)

    def break_(self, script: Script, family: str) -> None:
        """The removal of chains and sets."""
        for change in self.chains:
            if change.after is None:
                script.flush(family, CHAIN, change.address.path[2])
        for change in self.chains:
            if change.after is None:
                script.delete(family, CHAIN, change.address.path[2])
        for change in self.sets:
            if change.after is None and isinstance(change.before, Declared):
                script.delete(family, change.before.kind, change.address.path[2])

    def leaving_clients(self, family: str) -> Iterator[str]:
        """The sticky endpoints that go, for the script that makes their clients start anew."""
        if not self._keeps_clients():
            return
        old, new = (
            _members(c.before for c in self.elements),
            _members(c.after for c in self.elements),
        )
        for member in sorted(old - new):
            yield f"{family} {member.replace(' . ', ' ')}"

    def _keeps_clients(self) -> bool:
        return not any(c.address.path[2] in LEARNED and c.after is None for c in self.sets)


def _nature(found: NodeObject) -> object:
    return (found.kind, found.properties) if isinstance(found, Declared) else _hook(found)


def _hook(found: NodeObject) -> str:
    return found.hook if isinstance(found, ChainObject) else ""


def _items(objects: Iterable[NodeObject | None]) -> set[Item]:
    return {item for found in objects if isinstance(found, Elements) for item in found.items}


def _members(objects: Iterable[NodeObject | None]) -> set[str]:
    return {element for name, element in _items(objects) if name.startswith(STICKY)}


def _by_set(items: Iterable[Item]) -> Iterator[tuple[str, list[str]]]:
    found: dict[str, list[str]] = defaultdict(list)
    for name, element in sorted(items):
        found[name].append(for_nft(name, element))
    yield from found.items()


def _create(script: Script, family: str, items: Iterable[Item]) -> None:
    for name, elements in _by_set(items):
        if name == ALLOWED:
            script.add_elements(family, name, elements)
        else:
            script.create_elements(family, name, elements)


def _declare(
    script: Script,
    family: str,
    sets: Iterable[tuple[ObjectAddress, NodeObject | None]],
    *,
    empty: bool = False,
) -> None:
    for address, found in sets:
        if isinstance(found, Declared):
            name = address.path[2]
            script.add_set(family, found.kind, name, found.properties)
            script.add_elements(family, name, () if empty else found.elements)


def _add_chains(
    script: Script, family: str, chains: Iterable[tuple[ObjectAddress, NodeObject | None]]
) -> None:
    """First all of them, then their rules, which go from one to another."""
    found = [(a.path[2], chain) for a, chain in chains if isinstance(chain, ChainObject)]
    for name, chain in found:
        script.add_chain(family, name, chain.hook)
    for name, chain in found:
        script.add_rules(family, name, chain.rules)


def _whole(script: Script, family: str, wanted: Snapshot) -> None:
    """Everything of a family, in a table that is empty."""
    mine: Mapping[str, list[tuple[ObjectAddress, NodeObject | None]]] = defaultdict(list)
    elements: list[Item] = []
    for address, found in wanted.items():
        word, kind, _ = address.path
        if word != family:
            continue
        if kind in {SET, CHAIN}:
            mine[kind].append((address, found))
        elif isinstance(found, Elements):
            elements += found.items
    _declare(script, family, _sorted(mine[SET]))
    _add_chains(script, family, _sorted(mine[CHAIN]))
    _create(script, family, elements)


def _sorted(
    pairs: Sequence[tuple[ObjectAddress, NodeObject | None]],
) -> list[tuple[ObjectAddress, NodeObject | None]]:
    return sorted(pairs, key=lambda pair: pair[0])
