"""Changes, sorted by what has to be done with them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from svcform.backends.dns.coredns.corefile import waits_out
from svcform.backends.dns.coredns.objects import (
    COREFILE,
    RESOLVER_FILES,
    Binary,
    File,
    Running,
    Start,
    record_address,
)
from svcform.model.zone import RecordSet
from svcform.plan.diff import Change
from svcform.plan.snapshot import Snapshot

_RUNNING = Running().address
#: Who remembers another type (``dns-version`` lasts eight hours) connects to nothing by it.
LEADING_TYPES = frozenset({"A", "AAAA", "CNAME", "SRV"})


@dataclass(slots=True)
class Edit:
    """What changes in one zone; ``before`` and ``after`` are None where it isn't there."""

    before: Start | None
    after: Start | None
    gone: list[RecordSet] = field(default_factory=list)
    changed: list[tuple[RecordSet | None, RecordSet]] = field(default_factory=list)

    @property
    def is_partial(self) -> bool:
        """Whether the file that is there can be edited into the one that is wanted."""
        return self.after is not None and self.before == self.after

    @property
    def is_written(self) -> bool:
        """Whether there is a zone to write: what never was one can't be put back."""
        return self.after is not None and self.after.soa is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """All that a program has to do; ``serial`` is the next one that is free."""

    before: Snapshot
    after: Snapshot
    serial: int
    edits: dict[str, Edit] = field(default_factory=dict)
    files: list[File] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    resolver: list[Change] = field(default_factory=list)
    brought: list[Binary] = field(default_factory=list)
    retired: list[str] = field(default_factory=list)

    @property
    def was_running(self) -> bool:
        """Whether CoreDNS served before."""
        return _RUNNING in self.before

    @property
    def will_run(self) -> bool:
        """Whether CoreDNS is to serve."""
        return _RUNNING in self.after

    @property
    def waits(self) -> bool:
        """Whether the play wants names that go to be waited out."""
        return waits_out(self.corefile())

    def leaves_first(self, edit: Edit) -> bool:
        """Whether a zone loses names before the proxy switches, and changes again behind it.

        What leads to nothing that the proxy stops goes together with all else, with one serial.
        """
        if not (self.was_running and edit.is_written and edit.before) or edit.before.edited:
            return False
        origin = edit.before.origin
        return any(_leads(found, origin, waited=self.waits) for found in edit.gone)

    def corefile(self) -> str:
        """The text of the Corefile that is wanted, or was there if none is."""
        address = File(COREFILE, "").address
        found = self.after.get(address) or self.before.get(address)
        return found.text if isinstance(found, File) else ""


def sort(changes: Sequence[Change], before: Snapshot, after: Snapshot, serial: int) -> Work:
    """The work of these changes."""
    work = Work(before=before, after=after, serial=serial)
    for change in changes:
        found = change.after if change.after is not None else change.before
        if isinstance(found, File):
            _note_file(work, change, found)
        elif isinstance(change.after, Binary):
            work.brought.append(change.after)
        elif isinstance(found, Binary):
            work.retired.append(found.path)
        elif isinstance(found, RecordSet | Start):
            _note_record(work, change)
    return work


def _note_file(work: Work, change: Change, found: File) -> None:
    if found.path in RESOLVER_FILES:
        work.resolver.append(change)
    elif isinstance(change.after, File):
        work.files.append(change.after)
    else:
        work.removed.append(found.path)


def _note_record(work: Work, change: Change) -> None:
    origin = change.address.path[0]
    edit = work.edits.get(origin)
    if edit is None:
        address = record_address(origin, origin, "SOA")
        edit = Edit(_start(work.before.get(address)), _start(work.after.get(address)))
        work.edits[origin] = edit
    if isinstance(change.after, RecordSet):
        old = change.before if isinstance(change.before, RecordSet) else None
        edit.changed.append((old, change.after))
    elif isinstance(change.before, RecordSet):
        edit.gone.append(change.before)


def _leads(found: RecordSet, origin: str, *, waited: bool) -> bool:
    """Whether somebody connects by it to a Service; to an endpoint itself no proxy is needed."""
    if found.type not in LEADING_TYPES:
        return False
    # The zone's own name may have a label "svc", too.
    head = found.name.removesuffix(f".{origin}")
    labels = head.removesuffix(".svc").split(".")
    is_endpoint = head.endswith(".svc") and len(labels) == 3 and not labels[0].startswith("_")
    return waited or not is_endpoint


def _start(found: object) -> Start | None:
    return found if isinstance(found, Start) else None


def whole_zones(snapshot: Snapshot, origins: Iterable[str]) -> dict[str, list[str]]:
    """The sorted lines of these zones, behind the SOA."""
    found: dict[str, list[str]] = {origin: [] for origin in origins}
    if found:
        for address, entry in snapshot.items():
            if isinstance(entry, RecordSet) and address.path[0] in found:
                found[address.path[0]] += entry.lines()
    return {origin: sorted(lines) for origin, lines in found.items()}
