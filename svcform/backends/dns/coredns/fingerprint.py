"""What must not have moved on the node between plan and apply."""

from __future__ import annotations

from collections.abc import Sequence

from svcform.backends.dns.coredns import directives
from svcform.backends.dns.coredns.objects import (
    NAME,
    RESOLVER_FILES,
    Binary,
    File,
    Start,
    record_address,
    text_digest,
    zone_path,
)
from svcform.backends.dns.coredns.scripts import FINGERPRINT
from svcform.model.zone import RecordSet
from svcform.plan.diff import Change
from svcform.plan.snapshot import Snapshot
from svcform.program.program import Fingerprint


def fingerprint(changes: Sequence[Change], live: Snapshot) -> Fingerprint:
    """The record sets, zones and files that change, and whether CoreDNS runs.

    A zone file that somebody edited is taken whole: its lines may be in any order and form.
    """
    operands: dict[str, str] = {}
    zones: dict[str, list[str]] = {}
    for change in changes:
        place = change.address.path
        found = live.get(change.address)
        if place[0] == "file":
            kind = "own" if place[1] in RESOLVER_FILES else "file"
            operands[f"{kind}\t{place[1]}"] = _digest(found)
        elif place[0] == "service":
            operands["service"] = "-" if found is None else "running"
        elif place[0] == "binary":
            operands[f"binary\t{place[1]}"] = found.sha256 if isinstance(found, Binary) else "-"
        elif len(place) == 3 and (edited := _edited(place[0], live)):
            operands[f"file\t{zone_path(place[0])}"] = edited
        elif len(place) == 3:
            operands["\t".join(("zone", *place))] = ""
            zones.setdefault(place[0], []).extend(_live_lines(found))
    expected = [text for text in operands.values() if text]
    for lines in zones.values():
        starts = [line for line in lines if " IN SOA " in line]
        expected += [*starts, *sorted(line for line in lines if line not in starts)]
    return Fingerprint(
        backend=NAME,
        script=FINGERPRINT,
        operands=directives.encode(operands),
        expected=directives.encode(expected),
    )


def _edited(origin: str, live: Snapshot) -> str:
    found = live.get(record_address(origin, origin, "SOA"))
    return found.edited if isinstance(found, Start) else ""


def _live_lines(found: object) -> Sequence[str]:
    if isinstance(found, Start):
        return found.lines()[:1]
    return found.lines() if isinstance(found, RecordSet) else ()


def _digest(found: object) -> str:
    if not isinstance(found, File):
        return "-"
    return text_digest(found.text)
