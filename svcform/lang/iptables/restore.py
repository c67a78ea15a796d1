"""Input for ``iptables-restore --noflush``: one table, changed all at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class TableChange:
    """What changes in one table; what it doesn't name stays as it is.

    ``chains`` are made, or emptied and filled.  ``inserted`` and ``removed`` are pairs of a
    built-in chain and a rule; each is inserted in front of all others, or removed once.
    ``deleted`` are chains that nothing refers to any more.
    """

    table: str
    chains: Mapping[str, Sequence[str]] = field(default_factory=dict)
    inserted: Sequence[tuple[str, str]] = ()
    removed: Sequence[tuple[str, str]] = ()
    deleted: Sequence[str] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing changes."""
        return not (self.chains or self.inserted or self.removed or self.deleted)


#: iptables-nft-restore 1.8.4 --noflush trips over chain lines that it has buffered, and this line
#: (it lists a chain) ends the buffering; mended in 1.8.5.
WITHOUT_BUFFER = "-S OUTPUT"


def write(changes: Iterable[TableChange], *, buffered: bool = True) -> bytes:
    """The input that makes the changes; each table is atomic by itself.

    ``buffered`` False is for iptables-nft 1.8.4.  Chains are declared in descending order: the list
    in which ``iptables-nft-restore`` (1.8.9) keeps them is sorted by insertion, and any other order
    is up to five times slower.
    """
    lines: list[str] = []
    for change in changes:
        if change.is_empty:
            continue
        lines.append(f"*{change.table}")
        if not buffered:
            lines.append(WITHOUT_BUFFER)
        names = sorted(change.chains, reverse=True)
        lines += [f":{name} - [0:0]" for name in names]
        lines += [f"-D {chain} {rule}" for chain, rule in change.removed]
        for name in names:
            head = f"-A {name} "
            lines += [head + rule for rule in change.chains[name]]
        lines += [f"-I {chain} 1 {rule}" for chain, rule in reversed(change.inserted)]
        lines += [f"-F {name}" for name in change.deleted]
        lines += [f"-X {name}" for name in change.deleted]
        lines.append("COMMIT")
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
