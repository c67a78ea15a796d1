"""What a node remembers of svcform: its project, its table of Services, its last receipt."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from svcform.errors import ReadingFailed
from svcform.plan.receipt import LockHolder, Receipt
from svcform.plan.services import ServiceRow
from svcform.plan.services_tsv import read_rows
from svcform.program.reading import Section


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """All that a node remembers; a node that svcform never met has none of it.

    ``receipts`` are its last ten, the oldest first.
    """

    project_id: str = ""
    layout: int = 0
    services: tuple[ServiceRow, ...] = field(default=(), repr=False)
    receipts: tuple[Receipt, ...] = field(default=(), repr=False)
    lock: LockHolder | None = None
    play_lock: LockHolder | None = None

    @property
    def receipt(self) -> Receipt | None:
        """The last one."""
        return self.receipts[-1] if self.receipts else None


def parse_recorded(sections: Mapping[str, Section]) -> Recorded:
    """What the ``state.…`` sections of a reading say.

    Raises ReadingFailed where the state folder can't be read, or holds what svcform never wrote.
    """
    stored = {name[6:]: _stored(name, s) for name, s in sections.items() if name[:6] == "state."}
    try:
        return Recorded(
            project_id=stored.get("project", b"").decode().strip(),
            layout=int(stored.get("layout") or b"0"),
            services=read_rows(stored.get("services", b"")),
            receipts=_receipts(stored.get("receipts", b"")),
            lock=_lock(stored.get("lock", b"")),
            play_lock=_lock(stored.get("play-lock", b"")),
        )
    except ValueError as error:
        raise ReadingFailed(f"The node's state folder has been damaged: {error}.") from error


def _stored(name: str, section: Section) -> bytes:
    if section.code not in {0, 90}:
        raise ReadingFailed(f"{name} can't be read on the node: {section.error}.")
    return section.output if section.code == 0 else b""


def _pairs(data: bytes) -> dict[str, str]:
    lines = (line.partition("\t") for line in data.decode(errors="replace").splitlines())
    return {key: value for key, found, value in lines if found}


def _receipts(data: bytes) -> tuple[Receipt, ...]:
    parts = _RECEIPT_BEGINS.split(data)[1:]
    return tuple(_receipt(_pairs(part)) for part in parts)


def _receipt(pairs: Mapping[str, str]) -> Receipt:
    texts = {key: pairs.get(key, "") for key in _RECEIPT_TEXTS}
    return Receipt(number=int(pairs["number"]), layout=int(pairs.get("layout") or 0), **texts)


def _lock(data: bytes) -> LockHolder | None:
    pairs = _pairs(data)
    if not pairs:
        return None
    texts = {key: pairs.get(key, "") for key in _LOCK_TEXTS}
    return LockHolder(alive="alive" in pairs, **texts)


_RECEIPT_BEGINS = re.compile(rb"^(?=number\t)", re.MULTILINE)
_LOCK_TEXTS = ("run", "plan", "who", "source", "since", "phase")
_RECEIPT_TEXTS = (
    "run",
    "plan",
    "project",
    "svcform",
    "before",
    "after",
    "who",
    "source",
    "when",
    "outcome",
    "detail",
)
